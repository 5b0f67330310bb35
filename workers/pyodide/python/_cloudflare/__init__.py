"""What workerd brings beside the SDK: the SDK patches packages only where this package is there."""
