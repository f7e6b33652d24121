// Proof of a token that is never sent: HMAC-SHA256(token, exporter | role | client id | dial id). The exporter
// (RFC 8446 §7.5) belongs to this very TLS session, so what a man in the middle hears fits no other.

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Link } from '../transport/transport.js'
import type { Hello } from '../wire/messages.js'

const label = 'EXPORTER-petrel-GRT1'

/** 32 bytes. role: whose proof it is, so that neither side can send the other's back. */
export function prove(
  link: Link,
  token: string,
  role: 'client' | 'server',
  { clientId, dialId }: Pick<Hello, 'clientId' | 'dialId'>,
): Buffer {
  const session = link.exportKey(label, new Uint8Array(0), 32)
  return createHmac('sha256', token).update(session).update(role).update(clientId).update(dialId).digest()
}

export const isSameProof = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)
