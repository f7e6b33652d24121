#!/usr/bin/env node
// The command `petrel`: one command line in, one exit code out.

import { tuneHeap } from './heap.js'
import { runProgram } from './program.js'

tuneHeap()
const code = await runProgram(process.argv.slice(2))
// Whatever still holds a handle has had its time: a command that has ended must not hang.
process.exit(code)
