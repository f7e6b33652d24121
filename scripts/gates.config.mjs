// ava's settings for gates: one at a time, since they measure, and long, since they soak.

export default {
  files: ['dist/test/gates/**/*.gate.js'],
  workerThreads: false,
  concurrency: 1,
  timeout: '30m',
}
