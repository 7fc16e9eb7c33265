// What can be said about accessibility by looking: names, ids, landmarks, contrast.
import {check, equal} from './harness.mjs';

export async function checkBasics(page, where) {
  const found = await page.evaluate(() => {
    const visible = (element) => element.checkVisibility() && element.getBoundingClientRect().width > 0;
    const name = (element) => [
      element.getAttribute('aria-label'),
      ...(element.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent),
      ...[...(element.labels ?? [])].map((label) => label.textContent), element.textContent, element.getAttribute('title'),
    ].find((text) => text?.trim());
    const nameless = [...document.querySelectorAll('button, a, input, select, textarea, [role="listbox"], [role="tabpanel"], dialog[open]')]
      .filter((element) => visible(element) && !name(element)).map((element) => element.outerHTML.slice(0, 120));
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    const broken = [...document.querySelectorAll('[aria-labelledby], [aria-describedby], [aria-controls], label[for]')].filter(visible)
      .flatMap((element) => ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for'].flatMap((attribute) => (element.getAttribute(attribute) ?? '').split(' ')))
      .filter((id) => id !== '' && !document.getElementById(id));
    return {
      nameless, broken, double: ids.filter((id, index) => ids.indexOf(id) !== index),
      headings: [...document.querySelectorAll('h1')].filter(visible).length,
      landmarks: ['header', 'main'].filter((tag) => document.querySelectorAll(tag).length !== 1),
      lang: document.documentElement.lang, title: document.title,
      inline: document.querySelectorAll('script:not([src]), style').length,
    };
  });
  equal(found.nameless, [], `${where}: controls without a name`);
  equal(found.broken, [], `${where}: references to ids that are not there`);
  equal(found.double, [], `${where}: ids that occur twice`);
  equal(found.headings, 1, `${where}: main headings`);
  equal(found.landmarks, [], `${where}: landmarks that are missing or double`);
  equal(found.lang, 'en', `${where}: language`);
  equal(found.inline, 0, `${where}: inline scripts and styles`);
  check(found.title.endsWith('openwop') && found.title.length > 10, `${where}: the title is ${found.title}`);
}

/** [{what, ratio}] of the visible elements that hold text of their own, by the colours that are computed. */
export function contrasts(page) {
  return page.evaluate(() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    // Colours come in many notations; a pixel has one.
    const rgba = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const over = (top, below) => top.slice(0, 3).map((part, i) => (part * top[3] + below[i] * (255 - top[3])) / 255);
    const background = (element) => {
      const layers = [];
      for (let at = element; at; at = at.parentElement) {
        const colour = rgba(getComputedStyle(at).backgroundColor);
        layers.push(colour);
        if (colour[3] === 255) break;
      }
      return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
    };
    const luminance = (colour) => {
      const [r, g, b] = colour.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const results = new Map();
    for (const element of document.querySelectorAll('body *')) {
      const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
      if (!own || !element.checkVisibility() || element.closest('.unseen, .skip, :disabled, .bar, option')) continue;
      const below = background(element);
      const [light, dark] = [luminance(over(rgba(getComputedStyle(element).color), below)), luminance(below)].sort((a, b) => b - a);
      const what = `${element.tagName.toLowerCase()}.${element.className} (${element.textContent.trim().slice(0, 24)})`;
      const ratio = (light + 0.05) / (dark + 0.05);
      if (!results.has(what)) results.set(what, {what, ratio});
    }
    return [...results.values()];
  });
}
