// Keeps a served page alive: every second the server's sections, each put over the one that is shown.
// Only what differs is touched, so that nothing flickers, selections stay and bars glide.
"use strict";
(() => {
  if (!document.body.dataset.live) return;
  const every = 1000;
  const main = document.querySelector("main");

  function bring(shown, fresh) {
    if (shown.nodeType !== fresh.nodeType || shown.nodeName !== fresh.nodeName) {
      shown.replaceWith(fresh);
      return;
    }
    if (shown.nodeType === Node.TEXT_NODE) {
      if (shown.data !== fresh.data) shown.data = fresh.data;
      return;
    }
    for (const { name, value } of [...fresh.attributes]) {
      if (name !== "open" && shown.getAttribute(name) !== value) shown.setAttribute(name, value);
    }
    for (const { name } of [...shown.attributes]) {
      if (name !== "open" && !fresh.hasAttribute(name)) shown.removeAttribute(name);
    }
    const old = [...shown.childNodes];
    const now = [...fresh.childNodes];
    now.forEach((node, place) => (place < old.length ? bring(old[place], node) : shown.append(node)));
    old.slice(now.length).forEach((node) => node.remove());
  }

  function show(sections) {
    for (const section of [...main.children]) {
      if (!(section.id in sections)) section.remove();
    }
    let before = null;
    for (const [id, html] of Object.entries(sections)) {
      const fresh = new DOMParser().parseFromString(`<section id="${id}">${html}</section>`, "text/html").body.firstChild;
      const shown = document.getElementById(id);
      if (shown) bring(shown, fresh);
      else if (before) before.after(fresh);
      else main.prepend(fresh);
      before = document.getElementById(id);
    }
  }

  function complain(words) {
    const moment = document.getElementById("moment");
    moment.textContent = words;
    moment.classList.add("lost");
  }

  async function look() {
    try {
      const answer = await fetch("sections.json", { cache: "no-store" });
      if (answer.ok) show(await answer.json());
      else complain(document.body.dataset.gone);
    } catch {
      complain(document.body.dataset.lost);
    }
    setTimeout(look, every);
  }
  setTimeout(look, every);
})();
