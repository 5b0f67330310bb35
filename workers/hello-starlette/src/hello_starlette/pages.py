"""The pages' HTML; every value that comes from outside goes through `escape`."""

from collections.abc import Mapping
from html import escape

from hello_starlette.form import Message

STYLE = (
    "body{font:1rem/1.5 system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}nav a{margin-right:1rem}label{display:block}"
)
LINKS = {"/": "Hello", "/form": "Form", "/counter": "Counter", "/status": "Status"}


def layout(title: str, content: str) -> str:
    """Wrap a page's content, which is HTML already; the title is not."""
    links = "".join(f'<a href="{path}">{name}</a>' for path, name in LINKS.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style></head>'
        f"<body><nav>{links}</nav><h1>{escape(title)}</h1>{content}</body></html>\n"
    )


def hello(greeting: str) -> str:
    """Greet."""
    return layout("Hello", f"<p>{escape(greeting)}</p>")


def form() -> str:
    """Ask for a name and a message."""
    return layout(
        "Form",
        '<form method="post" action="/form"><label>Name <input name="name" required></label>'
        '<label>Message <textarea name="message" required></textarea></label><button>Send</button></form>',
    )


def thanks(sent: Message) -> str:
    """Show what was sent, as text."""
    return layout("Thank you", f"<p>Name: <b>{escape(sent.name)}</b></p><pre>{escape(sent.message)}</pre>")


def counter(hits: int) -> str:
    """Show how often this page was seen."""
    return layout("Counter", f'<p>This page was seen <output id="hits">{hits}</output> times.</p>')


def status(facts: Mapping[str, str]) -> str:
    """Show what the Worker runs on."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return layout("Status", f"<table>{rows}</table>")


def fault(title: str, sentence: str) -> str:
    """Say what went wrong."""
    return layout(title, f"<p>{escape(sentence)}</p>")
