// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Pictures that a user drops, pastes or chooses. They are sent as they are, because the server turns and scales them by
// the model's own rules; only what it may not read, or what is very large, is drawn anew here.

const kSentAsIs = new Set(['image/png', 'image/jpeg', 'image/webp']);
const kLargestBytes = 8 << 20;  // a request holds all pictures of its conversation
const kLargestSide = 4096;      // what remains of larger ones: the model looks at 896 pixels, or crops of that

export const kMostPictures = 16;  // in one message

// {blob, name, reduced} or an Error whose message is for the user.
export async function readPicture(file) {
  const name = file.name || 'picture';
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);  // turned by what its EXIF says
  } catch {
    throw new Error(`“${name}” is not a picture that this browser can read. PNG, JPEG and WebP work.`);
  }
  try {
    const type = await typeOf(file);
    if (kSentAsIs.has(type) && file.size <= kLargestBytes) {
      return {blob: new Blob([file], {type}), name, reduced: false};
    }
    const scale = Math.min(1, kLargestSide / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const draw = (format, quality) => new Promise((done) => canvas.toBlob(done, format, quality));
    let blob = await draw('image/png');
    let reduced = scale < 1;
    if (!blob || blob.size > kLargestBytes) {
      blob = await draw('image/jpeg', 0.92);
      reduced = true;
    }
    if (!blob) throw new Error(`“${name}” is too large for this browser.`);
    return {blob, name, reduced};
  } finally {
    bitmap.close();
  }
}

// By its first bytes: the type that a file brings is a guess from its name.
async function typeOf(file) {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  const text = String.fromCharCode(...head);
  if (text.startsWith('\x89PNG')) return 'image/png';
  if (text.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (text.startsWith('RIFF') && text.endsWith('WEBP')) return 'image/webp';
  return file.type;
}

export function toDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

export function fromDataUrl(url) {
  const match = /^data:(image\/(?:png|jpeg|webp));base64,([A-Za-z0-9+/]+={0,2})$/u.exec(url);
  if (!match) return null;
  try {
    return new Blob([Uint8Array.from(atob(match[2]), (c) => c.charCodeAt(0))], {type: match[1]});
  } catch {
    return null;
  }
}

// The pictures among what was dropped or pasted.
export function picturesIn(transfer) {
  return Array.from(transfer?.files ?? []).filter((file) => file.type.startsWith('image/'));
}
