"""What can go wrong at a service that this Worker calls."""


class ServiceError(Exception):
    """A service that this Worker calls did not do what it was asked; the text is a sentence without any secret."""


class ServiceTimeoutError(ServiceError):
    """The service gave no answer in time."""


class ServiceBusyError(ServiceError):
    """The service asks for fewer requests, also after the retries."""

    def __init__(self, message: str, retry_after: int) -> None:
        """Keep the seconds for which the service wants peace."""
        super().__init__(message)
        self.retry_after = retry_after
