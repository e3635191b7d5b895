"use strict";

/* An instance without a score passes every filter. */
function readFound(card) {
  const texts = card.dataset.found.split(" ").filter(Boolean);
  return texts.map((text) => {
    const [number, score] = text.split(":");
    return { number: Number(number), score: score === undefined ? null : Number(score) };
  });
}

function dot(color) {
  const shape = document.createElement("i");
  shape.className = "dot";
  shape.style.background = color;
  return shape;
}

function bold(text) {
  const element = document.createElement("b");
  element.textContent = text;
  return element;
}

function addClassBoxes(gallery, classes) {
  const made = classes.map(([title, color], number) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    const count = bold("");
    box.type = "checkbox";
    box.value = number;
    label.append(box);
    if (color) label.append(dot(color));
    label.append(title, count);
    return { title, label, box, count };
  });
  const sorted = [...made].sort((a, b) => a.title.localeCompare(b.title));
  gallery.querySelector(".classes").append(...sorted.map(({ label }) => label));
  return made;
}

function listInstances(card, found, classes) {
  const sorted = [...found].sort((a, b) => (b.score ?? 2) - (a.score ?? 2));
  const items = sorted.map(({ number, score }) => {
    const item = document.createElement("li");
    const name = document.createElement("span");
    const [title, color] = classes[number];
    name.textContent = title;
    if (color) item.append(dot(color));
    item.append(name);
    if (score !== null) item.append(bold(score.toFixed(2)));
    return item;
  });
  card.querySelector("details ol").replaceChildren(...items);
}

function setUp(gallery) {
  const classes = JSON.parse(gallery.querySelector("script").textContent);
  const cards = [...gallery.querySelectorAll(".card")].map((element) => {
    return { element, found: readFound(element), passing: [] };
  });
  const boxes = addClassBoxes(gallery, classes);
  const form = gallery.querySelector(".filter");
  const range = form.querySelector("[type=range]");
  const hasScores = cards.some(({ found }) => found.some((one) => one.score !== null));
  form.querySelector(".score").hidden = !hasScores;
  form.hidden = classes.length === 0;

  function apply() {
    const least = Number(range.value);
    const chosen = new Set(boxes.filter(({ box }) => box.checked).map(({ box }) => Number(box.value)));
    const isAll = chosen.size === 0;
    const counts = classes.map(() => 0);
    let pictures = 0;
    let instances = 0;
    for (const card of cards) {
      const confident = card.found.filter(({ score }) => score === null || score >= least);
      for (const { number } of confident) counts[number] += 1;
      card.passing = isAll ? confident : confident.filter(({ number }) => chosen.has(number));
      const isShown = card.passing.length > 0 || (isAll && least === 0);
      card.element.hidden = !isShown;
      if (!isShown) continue;
      pictures += 1;
      instances += card.passing.length;
      showCounts(card);
    }
    boxes.forEach(({ count }, number) => { count.textContent = counts[number].toLocaleString("en"); });
    form.querySelector("output").textContent = least.toFixed(2);
    form.querySelector(".shown").textContent =
      `${pictures.toLocaleString("en")} of ${cards.length.toLocaleString("en")} pictures, ` +
      `${instances.toLocaleString("en")} instances`;
    gallery.querySelector(".none").hidden = pictures > 0;
  }

  function showCounts({ element, passing }) {
    const counts = {};
    for (const { number } of passing) counts[number] = (counts[number] ?? 0) + 1;
    for (const item of element.querySelectorAll(".counts li")) {
      const count = counts[item.dataset.class] ?? 0;
      item.hidden = count === 0;
      item.querySelector("b").textContent = count.toLocaleString("en");
    }
    const details = element.querySelector("details");
    if (details?.open) listInstances(element, passing, classes);
  }

  for (const card of cards) {
    const details = card.element.querySelector("details");
    if (!details || card.found.every(({ score }) => score === null)) continue;
    details.hidden = false;
    details.addEventListener("toggle", () => {
      if (details.open) listInstances(card.element, card.passing, classes);
    });
  }
  let frame = 0;
  form.addEventListener("input", () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(apply);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.reset();
  apply();
}

document.querySelectorAll(".gallery").forEach(setUp);

const dialog = document.querySelector("dialog");
document.addEventListener("click", (event) => {
  const shot = event.target.closest(".shot");
  if (!shot) return;
  const image = shot.querySelector("img");
  const large = dialog.querySelector("img");
  large.src = image.src;
  large.alt = image.alt;
  dialog.showModal();
});
