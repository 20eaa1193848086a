// Waits that have a limit and a name.

/** Waits for `promise`; after `limitMs` it fails with the name of what was waited for. */
export async function within(limitMs, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The present in milliseconds since 1970, with the digits of the fine clock. */
export const now = () => performance.timeOrigin + performance.now();
