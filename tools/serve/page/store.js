// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Keeps conversations in the browser (IndexedDB). Each message is a record of its own, so that two windows that talk in
// one conversation do not overwrite each other. Pictures lie apart as they came, and are read when they are needed.
//
// Where the browser forbids storage, everything is kept in memory and `persistent` is false.

const kStores = ['conversations', 'messages', 'pictures'];

export class StoreFull extends Error {}

function promised(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('gemma3', 1);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore('conversations', {keyPath: 'id'});
      for (const name of ['messages', 'pictures']) {
        database.createObjectStore(name, {keyPath: 'id'}).createIndex('conversation', 'conversation');
      }
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('another window holds an older version of this page open'));
  });
}

// `changes`: {put: {store: [record]}, remove: {store: [id]}}: all of it happens or nothing.
class DatabaseStore {
  persistent = true;
  #database;
  #channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel('gemma3') : null;

  constructor(database) {
    this.#database = database;
    // A newer page in another window may change the layout: it must not wait for this one.
    database.onversionchange = () => database.close();
  }

  conversations() {
    return promised(this.#read('conversations').getAll());
  }

  async conversation(id) {
    const record = await promised(this.#read('conversations').get(id));
    if (!record) return null;
    return {record, messages: await promised(this.#read('messages').index('conversation').getAll(id))};
  }

  async picture(id) {
    return (await promised(this.#read('pictures').get(id))) ?? null;
  }

  async change({put = {}, remove = {}}) {
    const names = kStores.filter((name) => put[name]?.length || remove[name]?.length);
    if (!names.length) return;
    const ids = new Set();
    await new Promise((resolve, reject) => {
      const fail = (error) => reject(
          error?.name === 'QuotaExceededError' ? new StoreFull() : error ?? new Error('not stored'));
      try {
        const transaction = this.#database.transaction(names, 'readwrite');
        transaction.oncomplete = resolve;
        transaction.onerror = transaction.onabort = () => fail(transaction.error);
        for (const name of names) {
          const store = transaction.objectStore(name);
          for (const id of remove[name] ?? []) store.delete(id);
          for (const record of put[name] ?? []) {
            store.put(record);
            ids.add(record.conversation ?? record.id);
          }
        }
      } catch (error) {
        fail(error);
      }
    });
    for (const id of remove.conversations ?? []) ids.add(id);
    this.#channel?.postMessage({changed: [...ids]});
  }

  // The ids of all records of a conversation, as `remove` of change() wants them.
  async idsOf(conversationId) {
    const keys = (name) => promised(this.#read(name).index('conversation').getAllKeys(conversationId));
    return {
      conversations: [conversationId], messages: await keys('messages'), pictures: await keys('pictures'),
    };
  }

  async clear() {
    await new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(kStores, 'readwrite');
      transaction.oncomplete = resolve;
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
      for (const name of kStores) transaction.objectStore(name).clear();
    });
    this.#channel?.postMessage({changed: null});
  }

  // Calls `listener(ids)` when another window changed conversations; null: any of them.
  onElsewhere(listener) {
    this.#channel?.addEventListener('message', (event) => listener(event.data?.changed ?? null));
  }

  #read(name) {
    return this.#database.transaction(name, 'readonly').objectStore(name);
  }
}

class MemoryStore {
  persistent = false;
  #records = new Map(kStores.map((name) => [name, new Map()]));

  async conversations() {
    return [...this.#records.get('conversations').values()];
  }

  async conversation(id) {
    const record = this.#records.get('conversations').get(id);
    return record ? {record, messages: this.#of('messages', id)} : null;
  }

  async picture(id) {
    return this.#records.get('pictures').get(id) ?? null;
  }

  async change({put = {}, remove = {}}) {
    for (const [name, ids] of Object.entries(remove)) {
      for (const id of ids) this.#records.get(name).delete(id);
    }
    for (const [name, records] of Object.entries(put)) {
      for (const record of records) this.#records.get(name).set(record.id, record);
    }
  }

  async idsOf(id) {
    return {
      conversations: [id],
      messages: this.#of('messages', id).map((record) => record.id),
      pictures: this.#of('pictures', id).map((record) => record.id),
    };
  }

  async clear() {
    for (const records of this.#records.values()) records.clear();
  }

  onElsewhere() {}

  #of(name, id) {
    return [...this.#records.get(name).values()].filter((record) => record.conversation === id);
  }
}

export async function openStore() {
  try {
    return new DatabaseStore(await openDatabase());
  } catch {
    return new MemoryStore();
  }
}

// Small things that are not worth a database: what was typed and not sent, the theme, the key.
export const notes = {
  get(name, where = 'localStorage') {
    try {
      return globalThis[where].getItem(`gemma3.${name}`);
    } catch {
      return null;
    }
  },
  set(name, value, where = 'localStorage') {
    try {
      if (value === null || value === '') globalThis[where].removeItem(`gemma3.${name}`);
      else globalThis[where].setItem(`gemma3.${name}`, value);
    } catch {
      // Forbidden or full: it is only a convenience.
    }
  },
};
