// A small seeded generator, so that a run with losses can be repeated. Not for secrets.
// Source: xorshift32 of G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (2003).

/** Returns a function that yields numbers from 0 (included) to 1 (not included), the same ones for the same seed. */
export function seededRandom(seed: number): () => number {
  // Zero is the one state that never leaves itself; the multiplication spreads small seeds over all bits.
  let state = Math.imul(seed, 0x9e3779b1) | 1
  const next = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4294967296
  }
  for (let i = 0; i < 8; i++) next()
  return next
}
