;; What Go's runtime asks of WASI, answered without any: a strategy has no clock, no randomness and no files. Deterministic, so that a
;; replay is exact. `wasm-tools component new --adapt` links it into the module.
(module
  (import "env" "memory" (memory 0))
  (global $time (mut i64) (i64.const 0))
  (global $random (mut i64) (i64.const 0x9e3779b97f4a7c15))

  (func $zeros (param $a i32) (param $b i32) (result i32)
    (i32.store (local.get $a) (i32.const 0))
    (i32.store (local.get $b) (i32.const 0))
    (i32.const 0))
  (func (export "args_sizes_get") (param i32 i32) (result i32) (call $zeros (local.get 0) (local.get 1)))
  (func (export "environ_sizes_get") (param i32 i32) (result i32) (call $zeros (local.get 0) (local.get 1)))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  ;; A microsecond later each time.
  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $at i32) (result i32)
    (global.set $time (i64.add (global.get $time) (i64.const 1000)))
    (i64.store (local.get $at) (global.get $time))
    (i32.const 0))

  ;; Xorshift from a fixed seed.
  (func $next (result i64)
    (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 13))))
    (global.set $random (i64.xor (global.get $random) (i64.shr_u (global.get $random) (i64.const 7))))
    (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 17))))
    (global.get $random))
  (func (export "random_get") (param $at i32) (param $length i32) (result i32)
    (loop $bytes
      (if (local.get $length)
        (then
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (i64.store8 (i32.add (local.get $at) (local.get $length)) (call $next))
          (br $bytes))))
    (i32.const 0))

  ;; Swallows what is written; a strategy says it with `log.write`.
  (func (export "fd_write") (param $fd i32) (param $vectors i32) (param $count i32) (param $written i32) (result i32)
    (i32.store (local.get $written) (i32.const 0))
    (loop $each
      (if (local.get $count)
        (then
          (i32.store (local.get $written)
            (i32.add (i32.load (local.get $written)) (i32.load offset=4 (local.get $vectors))))
          (local.set $vectors (i32.add (local.get $vectors) (i32.const 8)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $each))))
    (i32.const 0))

  ;; A sleep ends at once: one event, of the first subscription.
  (func (export "poll_oneoff") (param $subscriptions i32) (param $events i32) (param $count i32) (param $happened i32) (result i32)
    (i64.store (local.get $events) (i64.load (local.get $subscriptions)))
    (i64.store offset=8 (local.get $events) (i64.const 0))
    (i64.store offset=16 (local.get $events) (i64.const 0))
    (i64.store offset=24 (local.get $events) (i64.const 0))
    (i32.store (local.get $happened) (i32.const 1))
    (i32.const 0))
  (func (export "sched_yield") (result i32) (i32.const 0))
  (func (export "proc_exit") (param i32) unreachable)

  ;; There is no such file (`badf`).
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8)))
