// Leaves in the title what the drawing program asks for: the height of the page, and texts that overlap or are cut off.
const shown = (element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  const text = range.getBoundingClientRect(), box = element.getBoundingClientRect();
  // A cell that is too narrow ends in an ellipsis.
  const right = getComputedStyle(element).textOverflow === "ellipsis" ? Math.min(text.right, box.right) : text.right;
  return { text: element.textContent, left: text.left, right, top: text.top, bottom: text.bottom };
};
const meet = (one, other) =>
  one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom - 2 && other.top < one.bottom - 2;
const troubles = [];
for (const section of document.querySelectorAll("section")) {
  const edge = section.getBoundingClientRect();
  const texts = [...section.querySelectorAll("h2, td, th, svg text, .number > div, .nothing")]
    .filter((element) => element.textContent).map(shown);
  texts.forEach((one, place) => {
    if (one.left < edge.left || one.right > edge.right) troubles.push(`${one.text} is cut off`);
    for (const other of texts.slice(place + 1)) if (meet(one, other)) troubles.push(`${one.text} and ${other.text} overlap`);
  });
}
document.title = JSON.stringify([document.documentElement.scrollHeight, ...troubles]);
