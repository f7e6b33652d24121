// How late a stream is: the age of the oldest bytes that its reader has not taken, beyond what the path needs at its
// best. Tells a queue when to stop writing, since buffers below would take megabytes more. Pure: time comes in.

/** Taken for the path's best before the first bytes have been acknowledged. */
const firstGuessMs = 1_000

export class InFlight {
  private readonly marks: { offset: number; at: number }[] = []
  private writtenBytes: number
  private bestMs = firstGuessMs

  /** writtenBytes: what was written before the first `wrote`. */
  constructor(writtenBytes: number) {
    this.writtenBytes = writtenBytes
  }

  wrote(bytes: number, now: number): void {
    this.writtenBytes += bytes
    this.marks.push({ offset: this.writtenBytes, at: now })
  }

  /** acknowledged: of all bytes ever written, how many the reader has taken. Returns ms, 0 when nothing is late. */
  lateMs(acknowledged: number, now: number): number {
    let taken = 0
    for (const mark of this.marks) {
      if (mark.offset > acknowledged) break
      this.bestMs = Math.min(this.bestMs, now - mark.at)
      taken++
    }
    this.marks.splice(0, taken)
    const oldest = this.marks[0]
    return oldest === undefined ? 0 : Math.max(0, now - oldest.at - this.bestMs)
  }
}
