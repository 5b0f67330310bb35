// The pages' HTML; every value that comes from outside goes through `escape`.

const STYLE =
  "body{font:1rem/1.5 system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}nav a{margin-right:1rem}label{display:block}";
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };

/** Turn any text into HTML that shows it. */
export const escape = (text) => String(text).replace(/[&<>"']/g, (character) => ENTITIES[character]);

/** Wrap a page's content, which is HTML already; the title is not. */
function layout(title, content) {
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title><style>${STYLE}</style></head>` +
    '<body><nav><a href="/">Home</a><a href="/hello">Hello</a><a href="/form">Form</a><a href="/counter">Counter</a>' +
    `<a href="/status">Status</a></nav><h1>${escape(title)}</h1>${content}</body></html>\n`
  );
}

export const home = () => layout("A JavaScript Worker", "<p>Served by workerd, started by drydock.</p>");

export const hello = () => layout("Hello", "<p>Hello World from a JavaScript Worker!</p>");

export const form = () =>
  layout(
    "Form",
    '<form method="post" action="/form"><label>Name <input name="name" required></label>' +
      '<label>Message <textarea name="message" required></textarea></label><button>Send</button></form>',
  );

export const thanks = ({ name, message }) =>
  layout("Thank you", `<p>Name: <b>${escape(name)}</b></p><pre>${escape(message)}</pre>`);

export const counter = (hits) =>
  layout("Counter", `<p>This page was seen <output id="hits">${escape(hits)}</output> times.</p>`);

export const status = (facts) =>
  layout(
    "Status",
    `<table>${Object.entries(facts)
      .map(([name, value]) => `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`)
      .join("")}</table>`,
  );

export const fault = (title, sentence) => layout(title, `<p>${escape(sentence)}</p>`);
