// What the customers' page does better with a script: no double sending, the call's state, Escape in a frame.
(function () {
  "use strict";

  document.addEventListener("submit", function (event) {
    var form = event.target;
    var button = form.querySelector("button.primary");
    if (!form.dataset.once || !button) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    button.textContent = form.dataset.once;
    button.setAttribute("aria-disabled", "true");
  });
  // Back from the next page: the form can be sent again.
  window.addEventListener("pageshow", function (event) { if (event.persisted) location.reload(); });

  // The call: asked for every two seconds; a change brings the page of the new state.
  var state = document.getElementById("state");
  if (state && state.dataset.url) {
    var failures = 0;
    var ask = function () {
      fetch(state.dataset.url, { credentials: "omit", cache: "no-store" })
        .then(function (answer) { if (!answer.ok) throw new Error(answer.status); return answer.json(); })
        .then(function (found) {
          failures = 0;
          if (found.state !== state.dataset.state) location.reload();
          else setTimeout(ask, 2000);
        })
        .catch(function () { if (++failures < 30) setTimeout(ask, 2000 * Math.min(failures, 5)); });
    };
    setTimeout(ask, 1000);
  }

  // In a frame Escape is not heard by the page around it.
  if (window.parent !== window) {
    document.addEventListener("keydown", function (event) {
      if (event.key === "Escape") window.parent.postMessage("emocx-chat:close", "*");
    });
  }
})();
