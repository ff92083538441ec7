// The chat on your own site. One tag is all:
//   <script src="https://pbx.example/chat/widget.js" data-label="Questions?" defer></script>
// data-label: text of the button; data-title: name of the window; data-close: of its close button;
// data-side: right (usual) or left. It sets no cookie and loads nothing before it is opened.
(function () {
  "use strict";

  var script = document.currentScript;
  if (!script || !window.HTMLDialogElement) return;
  var base = new URL(script.src);
  var options = script.dataset;
  var label = options.label || "Questions?";

  function make(name, attributes) {
    var element = document.createElement(name);
    Object.keys(attributes || {}).forEach(function (key) { element.setAttribute(key, attributes[key]); });
    return element;
  }

  function start() {
    var host = make("emocx-chat");
    var root = host.attachShadow({ mode: "open" });
    // Constructed sheets work under any content security policy, and your site's styles don't reach in.
    var sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];

    var button = make("button", { type: "button", class: "open", "aria-haspopup": "dialog" });
    button.textContent = label;
    var dialog = make("dialog", { "aria-label": options.title || label });
    var close = make("button", { type: "button", class: "close", "aria-label": options.close || "Close" });
    close.textContent = "\u00d7";
    dialog.append(close);
    if (options.side === "left") { button.classList.add("left"); dialog.classList.add("left"); }
    root.append(button, dialog);
    document.body.append(host);

    var frame = null;
    button.addEventListener("click", function () {
      if (!frame) {
        frame = make("iframe", {
          src: new URL("/chat?embed=1", base.origin).href,
          title: options.title || label,
          referrerpolicy: "origin",
        });
        dialog.append(frame);
      }
      dialog.showModal();
      document.documentElement.style.setProperty("overflow", "hidden");
    });
    close.addEventListener("click", function () { dialog.close(); });
    dialog.addEventListener("click", function (event) { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", function () {
      document.documentElement.style.removeProperty("overflow");
      button.focus();
    });
    window.addEventListener("message", function (event) {
      if (frame && event.source === frame.contentWindow && event.origin === base.origin
        && event.data === "emocx-chat:close") dialog.close();
    });
  }

  var STYLE = [
    ":host { all: initial; color-scheme: light dark; }",
    "button { font: 600 1rem/1.2 system-ui, sans-serif; cursor: pointer; }",
    "button:focus-visible { outline: 3px solid #fff; outline-offset: -6px; box-shadow: 0 0 0 3px #1d4ed8; }",
    ".open { position: fixed; z-index: 2147483000; right: max(1rem, env(safe-area-inset-right)); bottom: max(1rem, env(safe-area-inset-bottom));",
    "  min-height: 3rem; padding: 0 1.25rem; border: 0; border-radius: 1.5rem; background: #1d4ed8; color: #fff; box-shadow: 0 4px 16px rgb(0 0 0 / 30%); }",
    ".open.left { right: auto; left: max(1rem, env(safe-area-inset-left)); }",
    ".open:hover { background: #1e40af; }",
    "dialog { box-sizing: border-box; position: fixed; inset: auto 1rem 1rem auto; width: min(25rem, calc(100vw - 2rem)); height: min(36rem, calc(100vh - 2rem));",
    "  max-width: none; max-height: none; margin: 0; padding: 0; border: 1px solid #8886; border-radius: 0.75rem; overflow: hidden; background: Canvas; box-shadow: 0 8px 40px rgb(0 0 0 / 35%); }",
    "dialog.left { inset: auto auto 1rem 1rem; }",
    "dialog::backdrop { background: rgb(0 0 0 / 40%); }",
    "iframe { display: block; width: 100%; height: 100%; border: 0; }",
    ".close { position: absolute; top: 0.5rem; right: 0.5rem; width: 2.75rem; height: 2.75rem; padding: 0; border: 0; border-radius: 50%; background: transparent; color: CanvasText; font-size: 1.75rem; line-height: 1; }",
    ".close:hover { background: #8883; }",
    ".close:focus-visible { outline: 3px solid #1d4ed8; outline-offset: -3px; box-shadow: none; }",
    "@media (max-width: 30rem) { dialog, dialog.left { inset: 0; width: 100%; height: 100%; border: 0; border-radius: 0; } }",
    "@media (prefers-reduced-motion: no-preference) { dialog[open] { animation: rise 160ms ease-out; } }",
    "@keyframes rise { from { opacity: 0; transform: translateY(0.75rem); } }",
    "@media print { :host { display: none; } }",
  ].join("\n");

  if (document.body) start(); else document.addEventListener("DOMContentLoaded", start);
})();
