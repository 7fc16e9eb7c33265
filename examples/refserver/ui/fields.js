// Form fields from JSON Schemas: for the simple ones; whatever is not simple is asked for as JSON.
import {h} from './dom.js';

/** One value: {element, read()}. read() throws an Error with a sentence when the text is no such value. */
export function fieldFor(id, label, schema, {required = false} = {}) {
  const name = String(label);
  const labelled = (control, extra) => h('div.field', null, h('label', {for: id}, name, required && ' *'), control, extra);
  const hint = typeof schema.description === 'string' ? h('p.hint', {id: `${id}-hint`}, schema.description) : null;
  const aria = hint ? {'aria-describedby': hint.id} : {};
  const missing = () => new Error(`“${name}” has no answer yet.`);

  if (Array.isArray(schema.enum)) {
    const select = h('select', {id, ...aria}, h('option', {value: ''}, '–'),
      schema.enum.map((value, index) => h('option', {value: index}, typeof value === 'string' ? value : JSON.stringify(value))));
    return {element: labelled(select, hint), read: () => {
      if (select.value !== '') return schema.enum[Number(select.value)];
      if (required) throw missing();
      return undefined;
    }};
  }
  if (schema.type === 'boolean') {
    const select = h('select', {id, ...aria}, h('option', {value: ''}, '–'), h('option', {value: 'true'}, 'yes'), h('option', {value: 'false'}, 'no'));
    return {element: labelled(select, hint), read: () => {
      if (select.value === '' && required) throw missing();
      return select.value === '' ? undefined : select.value === 'true';
    }};
  }
  if (schema.type === 'number' || schema.type === 'integer') {
    const input = h('input', {id, type: 'number', step: schema.type === 'integer' ? 1 : 'any', min: schema.minimum, max: schema.maximum, ...aria});
    return {element: labelled(input, hint), read: () => {
      if (input.value === '' && !required) return undefined;
      if (input.value === '' || !Number.isFinite(Number(input.value))) throw new Error(`“${name}” has to be a number.`);
      return Number(input.value);
    }};
  }
  if (schema.type === 'string') {
    const area = h('textarea', {id, rows: 1, ...aria});
    return {element: labelled(area, hint), read: () => {
      if (area.value === '' && required) throw missing();
      return area.value === '' ? undefined : area.value;
    }};
  }
  const area = h('textarea.code', {id, rows: 3, spellcheck: 'false', placeholder: 'JSON', ...aria});
  return {element: labelled(area, hint), read: () => {
    if (area.value.trim() === '' && !required) return undefined;
    try {
      return JSON.parse(area.value);
    } catch {
      throw new Error(`“${name}” has to be JSON.`);
    }
  }};
}

/** The fields of an object schema: {elements, read()}; null when it is none, or allows nothing that could be named. */
export function inputFields(id, schema) {
  const properties = schema?.properties;
  if (!properties || typeof properties !== 'object' || Object.keys(properties).length === 0) return null;
  const required = Array.isArray(schema.required) ? schema.required : [];
  const fields = Object.entries(properties).map(([name, part], index) => [
    name, fieldFor(`${id}-${index}`, part?.title ?? name, part ?? {}, {required: required.includes(name)}),
  ]);
  return {
    elements: fields.map(([, field]) => field.element),
    read: () => Object.fromEntries(fields.map(([name, field]) => [name, field.read()]).filter(([, value]) => value !== undefined)),
  };
}
