// Review: a window plays by itself, and keys label it. Single keys can be turned off.
"use strict";

(() => {
  const card = document.getElementById("review");
  if (!card) return;
  const sound = document.getElementById("window");
  const on = document.getElementById("shortcuts");
  const keys = document.getElementById("keys");
  const KEPT = "emocx-review-keys";
  try {
    on.checked = localStorage.getItem(KEPT) !== "off";
  } catch {
    // No storage: keys are on.
  }
  keys.hidden = !on.checked;
  on.addEventListener("change", () => {
    keys.hidden = !on.checked;
    try {
      localStorage.setItem(KEPT, on.checked ? "on" : "off");
    } catch {
      // Then it holds for this page.
    }
  });

  function play() {
    if (!sound) return;
    sound.currentTime = 0;
    sound.play().catch(() => {}); // not before somebody has touched the page
  }
  document.getElementById("again")?.addEventListener("click", play);
  sound?.addEventListener("error", () => {
    document.getElementById("no-sound").hidden = false;
  });
  play();

  document.addEventListener("keydown", (event) => {
    if (!on.checked || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.closest("input, select, textarea, audio")) return;
    const button = card.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (button) button.click();
    else if (event.key === " " && !event.target.closest("a, button")) play();
    else if (event.key.toLowerCase() === "b") document.getElementById("back")?.click();
    else return;
    event.preventDefault();
  });
})();
