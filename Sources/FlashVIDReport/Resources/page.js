"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { frames, tokens, columns, rows } = data;
  const total = frames * tokens;
  const element = (id) => document.getElementById(id);
  const none = -1;

  // ------------------------------------------------------------------------------------------------ Reading the data

  const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

  // Whole numbers; the largest of a width stands for none.
  const numbersOf = ({ width, data }) => {
    const bytes = bytesOf(data);
    const source = width === 1 ? bytes : width === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
    const last = 2 ** (8 * width) - 1;
    return Int32Array.from(source, (number) => (number === last ? none : number));
  };

  const segmentOfFrame = new Int32Array(frames);
  const segmentStart = [];
  {
    let start = 0;
    data.segments.forEach((length, segment) => {
      segmentStart.push(start);
      segmentOfFrame.fill(segment, start, start + length);
      start += length;
    });
  }

  // What a retention keeps, read when it is first looked at.
  class Kept {
    constructor(step) {
      const packed = bytesOf(step.kinds);
      this.kind = Uint8Array.from({ length: total }, (_, token) => (packed[token >> 2] >> (2 * (token & 3))) & 3);
      const places = numbersOf(step.parents);
      this.parent = new Int32Array(total).fill(none);
      this.root = Int32Array.from({ length: total }, (_, token) => token);
      this.firstChild = new Int32Array(total).fill(none);
      this.nextChild = new Int32Array(total).fill(none);
      this.size = new Int32Array(total).fill(1);
      this.lastFrame = Int32Array.from({ length: total }, (_, token) => Math.floor(token / tokens));
      this.cluster = numbersOf(step.members);
      for (let token = 0; token < total; token += 1) {
        if (places[token] === none) continue;
        const frame = Math.floor(token / tokens);
        const parent = (frame - 1) * tokens + places[token];
        const root = this.root[parent];
        this.parent[token] = parent;
        this.root[token] = root;
        this.nextChild[token] = this.firstChild[parent];
        this.firstChild[parent] = token;
        this.size[root] += 1;
        this.lastFrame[root] = frame;
      }
      this.colours = new Map();
    }

    isSelected(token) { return this.kind[token] === 1; }

    isMerged(token) { return this.parent[token] !== none || (!this.isSelected(token) && this.cluster[token] === none); }

    // Root first, then frame by frame.
    tree(token) {
      const members = [this.root[token]];
      for (let index = 0; index < members.length; index += 1) {
        for (let child = this.firstChild[members[index]]; child !== none; child = this.nextChild[child]) members.push(child);
      }
      return members.sort((a, b) => a - b);
    }

    depth(root) { return this.lastFrame[root] - Math.floor(root / tokens) + 1; }

    // The tree that is first by `measure`.
    best(measure) {
      let best = none;
      let most = 1;
      for (let token = 0; token < total; token += 1) {
        if (this.size[token] < 2) continue;
        const value = measure(token);
        if (value > most) [best, most] = [token, value];
      }
      return best;
    }

    // A colour for every cluster of a frame, by number, of which no two neighbours share one where seven are enough.
    coloursOf(frame) {
      if (this.colours.has(frame)) return this.colours.get(frame);
      const first = frame * tokens;
      const clusterAt = (place) => (this.isSelected(first + place) || this.isMerged(first + place) ? none : this.cluster[first + place]);
      const neighbours = new Map();
      const meet = (a, b) => {
        if (a === none || b === none || a === b) return;
        neighbours.get(a).add(b);
        neighbours.get(b).add(a);
      };
      for (let place = 0; place < tokens; place += 1) if (clusterAt(place) !== none) neighbours.set(clusterAt(place), new Set());
      for (let place = 0; place < tokens; place += 1) {
        if ((place + 1) % columns) meet(clusterAt(place), clusterAt(place + 1));
        if (place + columns < tokens) meet(clusterAt(place), clusterAt(place + columns));
      }
      const colours = new Map();
      const used = new Array(palette.length).fill(0);
      for (const [cluster, others] of [...neighbours].sort((a, b) => a[0] - b[0])) {
        const taken = new Set([...others].map((other) => colours.get(other)));
        let best = none;
        for (let colour = 0; colour < palette.length; colour += 1) {
          if (!taken.has(colour) && (best === none || used[colour] < used[best])) best = colour;
        }
        if (best === none) best = cluster % palette.length;
        used[best] += 1;
        colours.set(cluster, best);
      }
      this.colours.set(frame, colours);
      return colours;
    }
  }

  // Okabe and Ito without black, and without the yellow of a lit tree.
  const palette = ["#E69F00", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2"];
  const lit = "#F0E442";

  const kept = new Map();
  const keptAt = (index) => {
    if (!kept.has(index)) kept.set(index, new Kept(data.steps[index]));
    return kept.get(index);
  };

  const state = { step: data.own, pointed: none, pinned: none, cursor: none };
  const now = () => keptAt(state.step);
  const shown = () => (state.pinned !== none ? state.pinned : state.pointed);

  // ------------------------------------------------------------------------------------------------ Pictures

  // Decoded when they come into view, and let go again: a long clip has more than a browser likes to hold.
  const pictures = new Map();
  const mostPictures = 160;
  const colours = data.colours ? bytesOf(data.colours) : null;

  const pictureOf = (frame) => {
    let picture = pictures.get(frame);
    if (picture) {
      pictures.delete(frame);
    } else if (colours) {
      picture = document.createElement("canvas");
      [picture.width, picture.height] = [columns, rows];
      const context = picture.getContext("2d");
      const image = context.createImageData(columns, rows);
      for (let place = 0; place < tokens; place += 1) {
        const source = 3 * (frame * tokens + place);
        image.data.set([colours[source], colours[source + 1], colours[source + 2], 255], 4 * place);
      }
      context.putImageData(image, 0, 0);
    } else {
      picture = new Image();
      picture.addEventListener("load", () => {
        if (!layout.aspect) {
          layout.aspect = picture.naturalHeight / picture.naturalWidth;
          arrange();
        } else {
          redraw(Math.floor(frame / layout.across));
        }
      });
      picture.src = data.pictures[frame];
    }
    pictures.set(frame, picture);
    if (pictures.size > mostPictures) pictures.delete(pictures.keys().next().value);
    return picture;
  };

  // ------------------------------------------------------------------------------------------------ Layout

  const film = element("film");
  const layout = { aspect: colours ? rows / columns : 0, across: 1, frame: 0, gap: 12, above: 25, below: 22, height: 0, row: 0 };
  const strips = new Map();

  const arrange = () => {
    const width = film.clientWidth;
    // Wide enough for a token to be seen, whatever the pictures' shape.
    const aspect = layout.aspect || 0.75;
    const least = Math.min(width, Math.max(150, 8.5 * columns, (6.6 * rows) / aspect));
    layout.across = Math.max(1, Math.min(frames, Math.floor((width + layout.gap) / (least + layout.gap))));
    layout.frame = Math.min(480, Math.floor((width - (layout.across - 1) * layout.gap) / layout.across));
    layout.height = Math.round(layout.frame * aspect);
    layout.row = layout.above + layout.height + layout.below;
    film.style.height = `${Math.ceil(frames / layout.across) * layout.row}px`;
    for (const strip of strips.values()) strip.element.remove();
    strips.clear();
    update();
    drawTimeline();
  };

  // The rows in view and one screen around it have canvases, or all where they are few.
  const update = () => {
    const top = film.getBoundingClientRect().top;
    const count = Math.ceil(frames / layout.across);
    const first = count <= 36 ? 0 : Math.max(0, Math.floor((-top - innerHeight) / layout.row));
    const last = count <= 36 ? count - 1 : Math.min(count - 1, Math.floor((-top + 2 * innerHeight) / layout.row));
    for (const [number, strip] of strips) {
      if (number >= first && number <= last) continue;
      strip.element.remove();
      strips.delete(number);
    }
    for (let number = first; number <= last; number += 1) {
      if (strips.has(number)) continue;
      const row = document.createElement("div");
      row.className = "row";
      row.style.top = `${number * layout.row}px`;
      row.style.height = `${layout.row}px`;
      const [base, over] = [document.createElement("canvas"), document.createElement("canvas")];
      row.append(base, over);
      film.append(row);
      strips.set(number, { element: row, base, over });
      redraw(number);
    }
  };

  const framesOf = (number) => {
    const first = number * layout.across;
    return Array.from({ length: Math.min(layout.across, frames - first) }, (_, index) => first + index);
  };
  const leftOf = (frame) => (frame % layout.across) * (layout.frame + layout.gap);

  // A token's rectangle in its row of frames, on whole pixels, so that neighbours meet.
  const cell = (token) => {
    const frame = Math.floor(token / tokens);
    const place = token % tokens;
    const [column, line] = [place % columns, Math.floor(place / columns)];
    const left = Math.round((column * layout.frame) / columns);
    const top = Math.round((line * layout.height) / rows);
    return {
      x: leftOf(frame) + left,
      y: layout.above + top,
      w: Math.round(((column + 1) * layout.frame) / columns) - left,
      h: Math.round(((line + 1) * layout.height) / rows) - top,
    };
  };

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const prepare = (canvas, width, height) => {
    const ratio = Math.min(3, devicePixelRatio || 1);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    return context;
  };

  // ------------------------------------------------------------------------------------------------ Drawing

  const redraw = (number) => {
    const strip = strips.get(number);
    if (!strip) return;
    const context = prepare(strip.base, film.clientWidth, layout.row);
    for (const frame of framesOf(number)) drawFrame(context, frame);
    drawBrackets(context, number);
    drawLit(number);
  };

  const drawPicture = (context, frame) => {
    const picture = pictureOf(frame);
    const [x, y] = [leftOf(frame), layout.above];
    if (picture instanceof HTMLImageElement && !(picture.complete && picture.naturalWidth)) {
      context.fillStyle = style("--rule");
      context.fillRect(x, y, layout.frame, layout.height);
      return;
    }
    context.imageSmoothingEnabled = !colours;
    context.drawImage(picture, x, y, layout.frame, layout.height);
  };

  const drawFrame = (context, frame) => {
    const current = now();
    const first = frame * tokens;
    const colourOf = current.coloursOf(frame);
    const merged = `rgba(${style("--veil")}, ${style("--merged")})`;
    drawPicture(context, frame);
    for (let token = first; token < first + tokens; token += 1) {
      if (current.isSelected(token)) continue;
      const { x, y, w, h } = cell(token);
      if (current.isMerged(token)) {
        context.fillStyle = merged;
      } else {
        context.fillStyle = `${palette[colourOf.get(current.cluster[token])]}8C`;
      }
      context.fillRect(x, y, w, h);
    }
    drawClusterEdges(context, first, current);
    for (let token = first; token < first + tokens; token += 1) {
      if (current.isSelected(token)) outline(context, cell(token), "#FFFFFF", 1.6, "rgba(0, 0, 0, 0.85)");
    }
    context.fillStyle = style("--faint");
    context.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillText(`${frame}`, leftOf(frame) + 1, layout.above + layout.height + 10);
  };

  // Where a cluster ends, whatever its neighbour is: so that none depends on its colour alone.
  const drawClusterEdges = (context, first, current) => {
    const clusterAt = (place) => (current.isSelected(first + place) || current.isMerged(first + place) ? none : current.cluster[first + place]);
    context.beginPath();
    for (let place = 0; place < tokens; place += 1) {
      const { x, y, w, h } = cell(first + place);
      const own = clusterAt(place);
      if ((place + 1) % columns && own !== clusterAt(place + 1)) {
        context.moveTo(x + w, y);
        context.lineTo(x + w, y + h);
      }
      if (place + columns < tokens && own !== clusterAt(place + columns)) {
        context.moveTo(x, y + h);
        context.lineTo(x + w, y + h);
      }
    }
    context.strokeStyle = "rgba(0, 0, 0, 0.55)";
    context.lineWidth = 0.8;
    context.stroke();
  };

  // Two lines, one of which stands out from any picture; thinner around a small token, which would vanish beneath them.
  const outline = (context, { x, y, w, h }, colour, width, halo) => {
    const line = Math.min(width, Math.min(w, h) / 8);
    const inset = line / 2 + 0.8;
    for (const [style, thickness] of [[halo, line + 1.6], [colour, line]]) {
      context.strokeStyle = style;
      context.lineWidth = thickness;
      context.strokeRect(x + inset, y + inset, w - 2 * inset, h - 2 * inset);
    }
  };

  // A bracket over the frames of each segment; it stays open where the segment goes on in the next row.
  const drawBrackets = (context, number) => {
    const list = framesOf(number);
    context.strokeStyle = style("--ink");
    context.fillStyle = style("--ink");
    context.lineWidth = 1.5;
    context.font = "600 12px system-ui, 'DejaVu Sans', sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "left";
    for (let index = 0; index < list.length; ) {
      const segment = segmentOfFrame[list[index]];
      let end = index;
      while (end + 1 < list.length && segmentOfFrame[list[end + 1]] === segment) end += 1;
      const begins = segmentStart[segment] === list[index];
      const ends = segmentStart[segment] + data.segments[segment] === list[end] + 1;
      const [left, right, top] = [leftOf(list[index]), leftOf(list[end]) + layout.frame, 9.5];
      const label = `${segment + 1}`;
      const width = context.measureText(label).width;
      context.beginPath();
      if (begins) context.moveTo(left + 0.75, top + 8);
      context.lineTo(left + 0.75, top);
      context.lineTo(left + 8, top);
      context.moveTo(left + 16 + width, top);
      context.lineTo(right - 0.75, top);
      if (ends) context.lineTo(right - 0.75, top + 8);
      context.stroke();
      context.fillText(label, left + 12, top + 0.5);
      index = end + 1;
    }
  };

  // The tree of the token that is pointed at, over everything else.
  const drawLit = (number) => {
    const strip = strips.get(number);
    const token = shown();
    const context = prepare(strip.over, film.clientWidth, layout.row);
    if (token !== none) {
      const current = now();
      const members = current.tree(token);
      const list = framesOf(number);
      const here = members.filter((member) => Math.floor(Math.floor(member / tokens) / layout.across) === number);
      context.fillStyle = `rgba(${style("--veil")}, ${style("--unlit")})`;
      for (const frame of list) context.fillRect(leftOf(frame), layout.above, layout.frame, layout.height);

      drawMates(context, current, members, list);
      // Branches beneath the members, so that what they lead to can be seen; fainter where there are many.
      const isLarge = here.length > 60;
      for (const [colour, width] of isLarge ? [["rgba(240, 228, 66, 0.45)", 0.8]] : [["rgba(0, 0, 0, 0.8)", 4], [lit, 1.8]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.beginPath();
        for (const member of here) drawBranch(context, current, member, number);
        context.stroke();
      }
      const isMember = new Set(members);
      for (const member of here) {
        const { x, y, w, h } = cell(member);
        context.save();
        context.beginPath();
        context.rect(x, y, w, h);
        context.clip();
        drawPicture(context, Math.floor(member / tokens));
        context.restore();
      }
      context.beginPath();
      for (const member of here) traceEdges(context, member, (other) => isMember.has(other));
      for (const [colour, width] of [["rgba(0, 0, 0, 0.85)", 4.5], [lit, 2.2]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.stroke();
      }
      if (here.includes(members[0])) drawRoot(context, cell(members[0]));
      if (Math.floor(Math.floor(token / tokens) / layout.across) === number) drawCursor(context, cell(token));
    }
  };

  // The line from a member to its parent; from the row's edge where the parent stands in the row before.
  const drawBranch = (context, current, member, number) => {
    const parent = current.parent[member];
    if (parent === none) return;
    const [to, from] = [cell(member), cell(parent)];
    const inRow = Math.floor(Math.floor(parent / tokens) / layout.across) === number;
    const [x, y] = [to.x + to.w / 2, to.y + to.h / 2];
    if (inRow) {
      context.moveTo(from.x + from.w / 2, from.y + from.h / 2);
    } else {
      context.moveTo(0, from.y + from.h / 2);
    }
    context.lineTo(x, y);
  };

  const drawRoot = (context, { x, y, w, h }) => {
    context.beginPath();
    context.arc(x + w / 2, y + h / 2, Math.max(3, Math.min(w, h) * 0.24), 0, 2 * Math.PI);
    context.fillStyle = lit;
    context.fill();
    context.strokeStyle = "#000000";
    context.lineWidth = 1.2;
    context.stroke();
  };

  const drawCursor = (context, { x, y, w, h }) => {
    context.strokeStyle = style("--ink");
    context.lineWidth = 1.5;
    context.strokeRect(x - 2.5, y - 2.5, w + 5, h + 5);
  };

  // The sides of a token beyond which lies none that `isInside`.
  const traceEdges = (context, token, isInside) => {
    const place = token % tokens;
    const { x, y, w, h } = cell(token);
    const [left, right, top, bottom] = [x + 1, x + w - 1, y + 1, y + h - 1];
    const side = (hasOther, other, fromX, fromY, toX, toY) => {
      if (hasOther && isInside(token + other)) return;
      context.moveTo(fromX, fromY);
      context.lineTo(toX, toY);
    };
    side(place % columns > 0, -1, left, y, left, y + h);
    side((place + 1) % columns > 0, 1, right, y, right, y + h);
    side(place >= columns, -columns, x, top, x + w, top);
    side(place + columns < tokens, columns, x, bottom, x + w, bottom);
  };

  // What else became part of the same row: other roots of the cluster, and what follows them.
  const drawMates = (context, current, members, list) => {
    const own = current.cluster[members[0]];
    if (own === none || current.isSelected(members[0])) return;
    const segment = segmentOfFrame[Math.floor(members[0] / tokens)];
    const isMember = new Set(members);
    const isMate = (token) => current.cluster[token] === own && !isMember.has(token);
    context.beginPath();
    for (const frame of list) {
      if (segmentOfFrame[frame] !== segment) continue;
      for (let token = frame * tokens; token < (frame + 1) * tokens; token += 1) {
        if (isMate(token)) traceEdges(context, token, isMate);
      }
    }
    for (const [colour, width, dash] of [["rgba(0, 0, 0, 0.75)", 3, []], ["#FFFFFF", 1.4, [4, 3]]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.setLineDash(dash);
      context.stroke();
    }
    context.setLineDash([]);
  };

  // ------------------------------------------------------------------------------------------------ Similarity

  const timeline = element("similarity");
  const edges = { left: 34, right: 8, top: 22, bottom: 10 };

  const drawTimeline = () => {
    const [width, height] = [timeline.clientWidth, timeline.clientHeight];
    const context = prepare(timeline, width, height);
    const inner = width - edges.left - edges.right;
    const xOf = (frame) => edges.left + (frame / frames) * inner;
    const threshold = data.segmentThreshold;
    const values = data.transitions.concat(threshold === null ? [] : [threshold]);
    const low = Math.max(-1, Math.min(0.95, ...[values.reduce((a, b) => Math.min(a, b), 1)]) - 0.02);
    const yOf = (value) => edges.top + ((1 - value) / (1 - low)) * (height - edges.top - edges.bottom);
    context.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    context.textBaseline = "middle";

    data.segments.forEach((length, segment) => {
      const [left, right] = [xOf(segmentStart[segment]), xOf(segmentStart[segment] + length)];
      if (segment % 2 === 0) {
        context.fillStyle = style("--panel");
        context.fillRect(left, edges.top - 6, right - left, height - edges.top);
      }
      context.strokeStyle = style("--ink");
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(left + 1.5, 15);
      context.lineTo(left + 1.5, 9);
      context.lineTo(right - 1.5, 9);
      context.lineTo(right - 1.5, 15);
      context.stroke();
      const label = `${segment + 1}`;
      const room = context.measureText(label).width + 6;
      if (right - left < room + 8) return;
      const middle = (left + right) / 2;
      context.fillStyle = style("--paper");
      context.fillRect(middle - room / 2, 2, room, 14);
      context.fillStyle = style("--ink");
      context.textAlign = "center";
      context.fillText(label, middle, 9);
    });

    context.fillStyle = style("--faint");
    context.textAlign = "right";
    for (const value of [1, low]) context.fillText(value.toFixed(2), edges.left - 5, yOf(value));
    if (threshold !== null) {
      const y = yOf(threshold);
      context.strokeStyle = style("--uniform");
      context.lineWidth = 1.2;
      context.setLineDash([6, 4]);
      context.beginPath();
      context.moveTo(edges.left, y);
      context.lineTo(width - edges.right, y);
      context.stroke();
      context.setLineDash([]);
      context.fillStyle = style("--uniform");
      if (Math.abs(y - yOf(1)) > 11 && Math.abs(y - yOf(low)) > 11) context.fillText(threshold.toFixed(2), edges.left - 5, y);
    }
    context.strokeStyle = style("--kept");
    context.fillStyle = style("--kept");
    context.lineWidth = 1.8;
    context.beginPath();
    data.transitions.forEach((value, index) => context.lineTo(xOf(index + 1), yOf(value)));
    context.stroke();
    if (frames <= 200) {
      data.transitions.forEach((value, index) => {
        const isCut = segmentOfFrame[index] !== segmentOfFrame[index + 1];
        context.beginPath();
        context.arc(xOf(index + 1), yOf(value), isCut ? 4 : 2, 0, 2 * Math.PI);
        context.fill();
      });
    }
    // The part of the clip that is lit.
    if (shown() !== none) {
      const current = now();
      const root = current.root[shown()];
      const [left, right] = [xOf(Math.floor(root / tokens)), xOf(current.lastFrame[root] + 1)];
      for (const [colour, thickness] of [["#000000", 5], [lit, 3]]) {
        context.strokeStyle = colour;
        context.lineWidth = thickness;
        context.beginPath();
        context.moveTo(left, height - 3);
        context.lineTo(Math.max(right, left + 3), height - 3);
        context.stroke();
      }
    }
  };

  timeline.addEventListener("click", (event) => {
    const box = timeline.getBoundingClientRect();
    const share = (event.clientX - box.left - edges.left) / (box.width - edges.left - edges.right);
    showFrame(Math.max(0, Math.min(frames - 1, Math.floor(share * frames))), true);
  });

  // ------------------------------------------------------------------------------------------------ Words

  const percent = (share) => `${Number((100 * share).toFixed(1))} %`;
  const count = (number) => number.toLocaleString("en-US");

  const text = (tag, content, name) => {
    const node = document.createElement(tag);
    node.textContent = content;
    if (name) node.className = name;
    return node;
  };

  const describe = () => {
    const token = shown();
    if (token === none) {
      element("token").textContent = "Point at a token to light up its tree.";
      return;
    }
    const current = now();
    const frame = Math.floor(token / tokens);
    const place = token % tokens;
    const at = `Frame ${frame}, column ${place % columns}, row ${Math.floor(place / columns)}: `;
    const root = current.root[token];
    let what;
    if (current.isSelected(token)) {
      what = "selected, kept as it is.";
    } else if (current.cluster[token] === none) {
      what = "dropped.";
    } else {
      const parent = current.parent[token];
      const same = parent !== none && parent % tokens === place;
      what = parent === none ? "contextual" : `merged into ${same ? "the same place" : `column ${parent % tokens % columns}, row ${Math.floor((parent % tokens) / columns)}`} of frame ${frame - 1}`;
      what += current.size[root] > 1 ? `; a tree of ${count(current.size[root])} tokens over ${current.depth(root)} frames.` : "; nothing joined it.";
    }
    element("token").textContent = at + what + (state.pinned !== none ? " Stays lit until Esc." : "");
  };

  const showNumbers = () => {
    const step = data.steps[state.step];
    element("percent").textContent = step.retention === null ? `${count(step.rows)} rows` : percent(step.retention);
    element("retention").setAttribute("aria-valuetext", `${element("percent").textContent}, ${step.rows} tokens`);
    const headline = element("headline");
    headline.replaceChildren(
      text("b", count(total)), " tokens in, ", text("b", count(step.rows)), ` out (${percent(step.rows / total)})`);
    const list = element("numbers");
    list.replaceChildren();
    const add = (label, value, sub, find) => {
      list.append(text("dt", label, sub ? "sub" : ""));
      const cell = document.createElement("dd");
      if (find && step.trees) {
        const button = text("button", value);
        button.type = "button";
        button.title = "Light it up";
        button.addEventListener("click", () => pin(find()));
        cell.append(button);
      } else {
        cell.textContent = value;
      }
      list.append(cell);
    };
    add("tokens in", count(total));
    add("tokens out", count(step.rows));
    add("selected", count(step.selected), true);
    add("contextual", count(step.contextual), true);
    add("merged", count(step.merged));
    add("trees", count(step.trees));
    add("largest tree", `${count(step.largestTree)} tokens`, true, () => now().best((root) => now().size[root]));
    add("longest tree", `${count(step.deepestTree)} frames`, true, () => now().best((root) => now().depth(root) + now().size[root] / total));
    add("on average", `${step.meanSize.toFixed(1)} tokens, ${step.meanDepth.toFixed(1)} frames`, true);
    add("segments", count(data.segments.length));
  };

  // ------------------------------------------------------------------------------------------------ Choosing

  const paint = () => {
    for (const number of strips.keys()) drawLit(number);
    drawTimeline();
    describe();
  };

  let isPainting = false;
  const point = (token) => {
    if (token === state.pointed) return;
    state.pointed = token;
    if (isPainting) return;
    isPainting = true;
    requestAnimationFrame(() => {
      isPainting = false;
      paint();
    });
  };

  const pin = (token) => {
    if (token === none) return;
    [state.pinned, state.cursor] = [token, token];
    showFrame(Math.floor(now().root[token] / tokens), false);
    paint();
  };

  const showFrame = (frame, isExact) => {
    const box = film.getBoundingClientRect();
    const top = box.top + Math.floor(frame / layout.across) * layout.row;
    const margin = innerWidth <= 900 ? element("controls").offsetHeight : element("token").offsetHeight;
    if (!isExact && top >= margin && top + layout.row <= innerHeight) return;
    scrollBy({ top: top - margin - 8, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };

  const choose = (step) => {
    state.step = Math.max(0, Math.min(data.steps.length - 1, step));
    element("retention").value = state.step;
    for (const number of strips.keys()) redraw(number);
    showNumbers();
    showMeasures();
    drawTimeline();
    describe();
  };

  const tokenAt = (event) => {
    const box = film.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const line = Math.floor(y / layout.row);
    const index = Math.floor(x / (layout.frame + layout.gap));
    const frame = line * layout.across + index;
    const left = x - index * (layout.frame + layout.gap);
    const top = y - line * layout.row - layout.above;
    if (index >= layout.across || frame >= frames || left >= layout.frame || top < 0 || top >= layout.height) return none;
    return frame * tokens + Math.floor((top / layout.height) * rows) * columns + Math.floor((left / layout.frame) * columns);
  };

  film.addEventListener("pointermove", (event) => event.pointerType === "mouse" && point(tokenAt(event)));
  film.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(none));
  film.addEventListener("click", (event) => {
    const token = tokenAt(event);
    if (token === none || token === state.pinned) {
      state.pinned = none;
    } else {
      [state.pinned, state.cursor] = [token, token];
    }
    paint();
  });
  film.addEventListener("focus", () => {
    if (!film.matches(":focus-visible") || shown() !== none) return;
    move(Math.max(0, state.cursor));
  });
  film.addEventListener("blur", () => point(none));

  const move = (token) => {
    state.cursor = Math.max(0, Math.min(total - 1, token));
    state.pinned = none;
    state.pointed = state.cursor;
    showFrame(Math.floor(state.cursor / tokens), false);
    paint();
  };

  film.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const cursor = Math.max(0, state.cursor);
    const frame = Math.floor(cursor / tokens);
    const place = cursor % tokens;
    const [column, line] = [place % columns, Math.floor(place / columns)];
    const at = (frame, column, line) => frame * tokens + line * columns + column;
    const keys = {
      // Past a frame's edge lies the next frame.
      ArrowLeft: () => move(column > 0 ? cursor - 1 : frame > 0 ? at(frame - 1, columns - 1, line) : cursor),
      ArrowRight: () => move(column + 1 < columns ? cursor + 1 : frame + 1 < frames ? at(frame + 1, 0, line) : cursor),
      ArrowUp: () => move(line > 0 ? cursor - columns : frame >= layout.across ? at(frame - layout.across, column, rows - 1) : cursor),
      ArrowDown: () => move(line + 1 < rows ? cursor + columns : frame + layout.across < frames ? at(frame + layout.across, column, 0) : cursor),
      PageUp: () => move(frame > 0 ? cursor - tokens : cursor),
      PageDown: () => move(frame + 1 < frames ? cursor + tokens : cursor),
      Home: () => move(place),
      End: () => move((frames - 1) * tokens + place),
      r: () => move(now().root[cursor]),
      l: () => move(now().tree(cursor).at(-1)),
      "+": () => choose(state.step + 1),
      "-": () => choose(state.step - 1),
      Enter: () => {
        state.pinned = state.pinned === none ? cursor : none;
        paint();
      },
      Escape: () => {
        [state.pinned, state.pointed] = [none, none];
        paint();
      },
    };
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  // ------------------------------------------------------------------------------------------------ Measures

  const ways = [["kept", "FlashVID"], ["uniform", "uniform sampling"], ["attention", "attention alone"]];

  const svg = (tag, attributes, content) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (content !== undefined) node.textContent = content;
    return node;
  };

  // A mark a way, so that lines are told apart without their colours.
  const mark = (way, x, y, name) => {
    if (way === 0) return svg("circle", { cx: x, cy: y, r: 3, class: `mark ${name}` });
    if (way === 1) return svg("rect", { x: x - 3, y: y - 3, width: 6, height: 6, class: `mark ${name}` });
    return svg("path", { d: `M${x} ${y - 4}l3.6 6.4h-7.2z`, class: `mark ${name}` });
  };

  const chart = (name, title, note) => {
    const [width, height, left, right, top, bottom] = [284, 168, 30, 6, 24, 20];
    const points = data.evaluation.points;
    const share = (point) => point.rows / total;
    const most = share(points.at(-1));
    const values = points.flatMap((point) => point[name]);
    const low = Math.max(-1, Math.floor(Math.min(...values) * 10 - 0.001) / 10);
    const xOf = (value) => left + (value / most) * (width - left - right);
    const yOf = (value) => top + ((1 - value) / (1 - low)) * (height - top - bottom);
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${note}` });
    picture.append(svg("text", { x: 0, y: 12, class: "title" }, title));
    for (let index = 0; index <= 2; index += 1) {
      const value = low + ((1 - low) * index) / 2;
      picture.append(svg("line", { x1: left, x2: width - right, y1: yOf(value), y2: yOf(value), class: "axis" }));
      picture.append(svg("text", { x: left - 5, y: yOf(value) + 4, "text-anchor": "end" }, value.toFixed(2)));
    }
    for (let value = 0; value <= most; value += 0.2) {
      picture.append(svg("text", { x: xOf(value), y: height - 5, "text-anchor": "middle" }, `${Math.round(100 * value)} %`));
    }
    const x = xOf(share(points[state.step]));
    picture.append(svg("line", { x1: x, x2: x, y1: top - 4, y2: height - bottom, class: "now" }));
    for (let way = 2; way >= 0; way -= 1) {
      const path = points.map((point, index) => `${index ? "L" : "M"}${xOf(share(point)).toFixed(1)} ${yOf(point[name][way]).toFixed(1)}`).join("");
      picture.append(svg("path", { d: path, class: `line ${ways[way][0]}` }));
      for (const point of points) picture.append(mark(way, xOf(share(point)), yOf(point[name][way]), ways[way][0]));
    }
    return picture;
  };

  const key = () => {
    const picture = svg("svg", { viewBox: "0 0 284 72", role: "img", "aria-label": "Which line is which, and its values" });
    picture.append(svg("text", { x: 226, y: 12, "text-anchor": "end" }, "coverage"));
    picture.append(svg("text", { x: 284, y: 12, "text-anchor": "end" }, "energy"));
    ways.forEach(([name, title], way) => {
      const y = 26 + 18 * way;
      picture.append(svg("line", { x1: 2, x2: 40, y1: y, y2: y, class: `line ${name}` }), mark(way, 21, y, name));
      picture.append(svg("text", { x: 48, y: y + 4 }, title));
      for (const [measure, x] of [["coverage", 226], ["energy", 284]]) {
        const value = data.evaluation.points[state.step][measure][way].toFixed(3);
        picture.append(svg("text", { x, y: y + 4, "text-anchor": "end" }, value));
      }
    });
    return picture;
  };

  const showMeasures = () => {
    if (!data.evaluation) return;
    element("measures").hidden = false;
    element("charts").replaceChildren(
      key(),
      chart("coverage", "Coverage", "mean best cosine of a token with a kept row of its segment, against the share of tokens that is kept"),
      chart("energy", "Subspace energy", "share of a frame's energy in the span of the rows around it, against the share of tokens that is kept"));
    const rank = data.evaluation.effectiveRank;
    element("rank").textContent =
      "Against the share of tokens that is kept, each with as many. Coverage: mean best cosine of a token with a kept row of its segment. " +
      "Energy: share of a frame's energy in the span of the rows around it." +
      (rank === null ? "" : ` The clip's effective rank is ${rank.toFixed(1)} of ${Math.min(data.channels, total)}.`);
    const table = element("table");
    table.replaceChildren();
    const line = (cells, tag, name) => {
      const row = document.createElement("tr");
      for (const content of cells) row.append(text(tag, content));
      if (name) row.className = name;
      table.append(row);
    };
    line(["", "coverage", "uni.", "att.", "energy", "uni.", "att."], "th");
    data.evaluation.points.forEach((point, index) => {
      const { retention } = data.steps[index];
      const name = retention === null ? count(point.rows) : percent(retention);
      line([name, ...point.coverage.map((value) => value.toFixed(3)), ...point.energy.map((value) => value.toFixed(3))], "td", index === state.step ? "now" : "");
    });
  };

  // ------------------------------------------------------------------------------------------------ Legend

  const drawLegend = () => {
    for (const canvas of document.querySelectorAll("#legend canvas")) {
      const context = prepare(canvas, 34, 34);
      const gradient = context.createLinearGradient(0, 0, 34, 34);
      gradient.addColorStop(0, "#7d8fa8");
      gradient.addColorStop(1, "#b9a58c");
      context.fillStyle = gradient;
      context.fillRect(0, 0, 34, 34);
      const square = (index) => ({ x: (index % 2) * 17, y: Math.floor(index / 2) * 17, w: 17, h: 17 });
      const fill = (index, colour) => {
        const { x, y, w, h } = square(index);
        context.fillStyle = colour;
        context.fillRect(x, y, w, h);
      };
      const veil = style("--veil");
      switch (canvas.dataset.kind) {
        case "selected":
          for (const index of [0, 3]) outline(context, square(index), "#FFFFFF", 1.6, "rgba(0, 0, 0, 0.85)");
          break;
        case "contextual":
          for (const index of [0, 1]) fill(index, `${palette[0]}A6`);
          for (const index of [2, 3]) fill(index, `${palette[1]}A6`);
          context.strokeStyle = "rgba(0, 0, 0, 0.55)";
          context.lineWidth = 0.8;
          context.strokeRect(0, 17, 34, 0);
          break;
        case "merged":
          for (let index = 0; index < 4; index += 1) fill(index, `rgba(${veil}, ${style("--merged")})`);
          break;
        default:
          for (let index = 0; index < 4; index += 1) if (index !== 0 && index !== 3) fill(index, `rgba(${veil}, ${style("--merged")})`);
          outline(context, square(0), lit, 2, "rgba(0, 0, 0, 0.85)");
          outline(context, square(3), lit, 2, "rgba(0, 0, 0, 0.85)");
          drawRoot(context, square(0));
      }
    }
  };

  // ------------------------------------------------------------------------------------------------ Start

  const start = () => {
    document.title = `What was kept of ${data.name}`;
    element("name").textContent = data.name;
    element("clip").textContent =
      `${count(frames)} frames of ${count(tokens)} tokens (${columns} × ${rows}) of ${count(data.channels)} channels, ${data.type}, ` +
      `${data.attention ? "with" : "without"} attention. ${data.colours ? "Colours: the features' first three principal components. " : ""}${data.tool}`;
    element("segmentCount").textContent = data.segments.length === 1 ? "one segment" : `${data.segments.length} segments`;
    timeline.setAttribute("aria-label", `Cosine of each frame's mean with the next one's. Segments begin with the frames ${segmentStart.slice(0, 100).join(", ")}.`);
    for (const [key, value] of data.metadata) element("metadata").append(text("dt", key), text("dd", value));
    element("configuration").textContent = data.configuration;

    const slider = element("retention");
    slider.max = data.steps.length - 1;
    slider.addEventListener("input", () => choose(Number(slider.value)));
    data.steps.forEach((step, index) => {
      const isLabelled = step.retention === null || Math.round(step.retention * 100) % 10 === 0 || index === 0;
      if (!isLabelled) return;
      const tick = text("span", step.retention === null ? "rows" : `${Math.round(100 * step.retention)}`);
      tick.style.left = `${(100 * index) / Math.max(1, data.steps.length - 1)}%`;
      element("ticks").append(tick);
    });

    drawLegend();
    choose(state.step);
    if (!colours) {
      // All frames are as the first one is.
      pictureOf(0);
    }
    arrange();
    addEventListener("scroll", update, { passive: true });
    let width = film.clientWidth;
    addEventListener("resize", () => {
      if (film.clientWidth === width) return update();
      width = film.clientWidth;
      arrange();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      drawLegend();
      arrange();
    });
  };
  start();
})();
