/* Whether a page can be read as it stands: what is wrong, a line each; "" when nothing is. Contrast
 * is that of WCAG 2.2, 1.4.3: 4.5 to 1 for text. */
const wrong = [];
const parts = colour => (colour.match(/[\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => {
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const [x, y, z] = [r, g, b].map(v => linear(v / 255));
  return .2126 * x + .7152 * y + .0722 * z;
};
function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = parts(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
}
for (const box of document.querySelectorAll(".scroll"))
  if (box.scrollWidth > box.clientWidth + 1)
    wrong.push("wider than its card: " + box.textContent.slice(0, 20));
const root = document.documentElement;
if (root.scrollWidth > innerWidth) wrong.push("wider than the screen: " + root.scrollWidth);
let texts = 0;
for (const element of document.body.querySelectorAll("*")) {
  const box = element.getBoundingClientRect(), style = getComputedStyle(element);
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  if (!own || !box.width || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
  const drawn = element instanceof SVGElement, says = element.textContent.trim().slice(0, 30);
  const a = light(parts(drawn ? style.fill : style.color)), b = light(behind(element));
  const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  const scale = drawn ? element.getScreenCTM().a : 1, size = parseFloat(style.fontSize) * scale;
  texts++;
  if (contrast < 4.5) wrong.push("contrast " + contrast.toFixed(1) + " of '" + says + "'");
  if (size < 11) wrong.push(size.toFixed(1) + " px of '" + says + "'");
  const frame = drawn ? element.ownerSVGElement.getBoundingClientRect() : null;
  if (frame && (box.left < frame.left - 1 || box.right > frame.right + 1))
    wrong.push("cut off: '" + says + "'");
}
if (texts < 40) wrong.push("only " + texts + " texts");
return wrong.join("; ");
