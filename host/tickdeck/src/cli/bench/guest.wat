;; The strategy that `tickdeck bench` calls: two averages over trades, as in plugins/ema-cross, and an order for every
;; quote. It is assembled into guest.wasm, so that the binary needs no assembler; a test compares the two.
(module
  (memory (export "memory") 4)

  ;; 16: an outcome.  32: a result.  128: an action.  1024: the manifest.  65536 and on: what the host passes.
  (global $heap (mut i32) (i32.const 65536))
  (global $fast (mut f64) (f64.const 0))
  (global $slow (mut f64) (f64.const 0))
  (global $crossings (mut i32) (i32.const 0))
  (global $order (mut i64) (i64.const 1))

  ;; A manifest: name, version; no doc, parameters, feeds or messages; cancels its orders; state schema 1, which it reads.
  (data (i32.const 1024)
    "\40\04\00\00\05\00\00\00" "\48\04\00\00\05\00\00\00" "\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00"
    "\00\00\00\00\01\00\00\00" "\50\04\00\00\01\00\00\00")
  (data (i32.const 1088) "bench\00\00\00" "1.0.0\00\00\00" "\01\00\00\00")

  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $new)))
    (local.get $at))

  (func $ok (result i32)
    (i64.store (i32.const 32) (i64.const 0))
    (i64.store (i32.const 40) (i64.const 0))
    (i32.const 32))
  (func (export "tickdeck:strategy/lifecycle@0.1.0#describe") (result i32) (i32.const 1024))
  (func (export "tickdeck:strategy/lifecycle@0.1.0#init") (param i32 i32 i64) (result i32) (call $ok))
  (func (export "tickdeck:strategy/lifecycle@0.1.0#save") (result i32) (call $ok))
  (func (export "tickdeck:strategy/lifecycle@0.1.0#restore") (param i32 i32 i64 i32 i32 i32) (result i32) (call $ok))
  (func (export "tickdeck:strategy/lifecycle@0.1.0#stop") (param i32))

  (func $answer (param $consumed i32) (param $actions i32) (result i32)
    (global.set $heap (i32.const 65536))
    (i32.store (i32.const 16) (local.get $consumed))
    (i32.store (i32.const 20) (i32.const 128))
    (i32.store (i32.const 24) (local.get $actions))
    (i32.const 16))

  ;; Buys at the quote's bid, as much as is bid for there: a limit order, good till canceled.
  (func $buy (param $quote i32)
    (i32.store8 (i32.const 128) (i32.const 0))
    (i64.store (i32.const 136) (global.get $order))
    (i64.store (i32.const 152) (i64.load offset=48 (local.get $quote)))
    (i64.store (i32.const 168) (i64.load offset=40 (local.get $quote)))
    (i32.store (i32.const 224) (i32.load offset=32 (local.get $quote)))
    (i32.store (i32.const 240) (i32.const 0x10002))
    (global.set $order (i64.add (global.get $order) (i64.const 1))))

  ;; An event has 104 bytes, its kind at 24: 0 is a quote, 1 a trade with its price at 40.
  (func (export "tickdeck:strategy/hot@0.1.0#on-events") (param $at i32) (param $events i32) (result i32)
    (local $done i32) (local $kind i32) (local $fast f64) (local $slow f64) (local $price f64) (local $was_above i32)
    (local.set $fast (global.get $fast))
    (local.set $slow (global.get $slow))
    (local.set $was_above (f64.gt (local.get $fast) (local.get $slow)))
    (loop $next
      (local.set $done (i32.add (local.get $done) (i32.const 1)))
      (local.set $kind (i32.load8_u offset=24 (local.get $at)))
      (if (i32.eqz (local.get $kind))
        (then
          (call $buy (local.get $at))
          (return (call $answer (local.get $done) (i32.const 1)))))
      (if (i32.eq (local.get $kind) (i32.const 1))
        (then
          (local.set $price (f64.convert_i64_s (i64.load offset=40 (local.get $at))))
          (local.set $fast (f64.add (local.get $fast)
            (f64.mul (f64.sub (local.get $price) (local.get $fast)) (f64.const 0.0952380952380952))))
          (local.set $slow (f64.add (local.get $slow)
            (f64.mul (f64.sub (local.get $price) (local.get $slow)) (f64.const 0.0327868852459016))))
          (if (i32.ne (local.get $was_above) (f64.gt (local.get $fast) (local.get $slow)))
            (then
              (local.set $was_above (i32.eqz (local.get $was_above)))
              (global.set $crossings (i32.add (global.get $crossings) (i32.const 1)))))))
      (local.set $at (i32.add (local.get $at) (i32.const 104)))
      (br_if $next (i32.lt_u (local.get $done) (local.get $events))))
    (global.set $fast (local.get $fast))
    (global.set $slow (local.get $slow))
    (call $answer (local.get $done) (i32.const 0))))
