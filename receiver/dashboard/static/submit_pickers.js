// The form's list of models, and its tiles of aspect ratios.

const byId = (id) => document.getElementById(id);

export const chosenModel = () => document.querySelector('[name="model"]:checked')?.value || byId("model").value;

// A tile fills in the fields that it stands for; what is typed there is no longer that of a tile.
export function fillIn(tile) {
  const [width, height] = tile.value.split("x");
  const texts = height ? { width, height } : { width: "", height: "", aspect_ratio: tile.value };
  for (const [name, text] of Object.entries(texts)) if (byId(name)) byId(name).value = text;
}

// The list of models closes after a click, not after an arrow key.
document.addEventListener("click", (event) => {
  const models = byId("model-list");
  const isChoice = event.target.name === "model" && event.target.value && event.detail;
  if (isChoice || !models.contains(event.target)) models.open = false;
});
document.addEventListener("keydown", (event) => {
  const models = byId("model-list");
  const isChosen = event.key === "Enter" && event.target.tagName === "INPUT";
  if (models.contains(event.target) && (isChosen || event.key === "Escape")) {
    event.preventDefault();
    models.querySelector("summary").focus(); // what was typed changes now
    models.open = false;
  }
});
