//! What GPUs do for models.

use super::*;

/// Takes the same points for some time, every five seconds, each counter further on.
async fn work(bench: &mut Bench, seconds: u64, points: impl Fn(u64) -> String) {
    for _ in 0..seconds / 5 {
        bench.pass(5).await;
        let at = bench.processor.clock.unix_nano() / SECOND - START;
        bench.take(&points(at));
        bench.tick();
    }
}

#[test]
fn memory_is_of_models_by_board() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&(runner(8000, "m", 1, 1) + &runner(8001, "n", 1, 1)));
        // Two processes of one runner on one board, one of them on a second board too; another runner; a stranger.
        for (id, pid, port, bytes) in [
            ("g", 1, 8000, 100),
            ("g", 2, 8000, 50),
            ("h", 2, 8000, 70),
            ("h", 3, 8001, 9),
            ("h", 4, 22, 500),
        ] {
            bench.take(&process(id, pid, port, bytes, None));
        }
        assert_eq!(bench.derived("memory.usage"), "m g = 150; m h = 70; n h = 9");
        // What is claimed is known where the board's limit is.
        assert_eq!(bench.derived("memory.claim"), "");
        bench.take(&board("h", 0.5, 1));
        assert_eq!(bench.derived("memory.claim"), "m h = 500.0; n h = 500.0");
        // A process ends; then the last of a model on a board.
        bench.take(&process("g", 1, 8000, 100, None).replace("= 100", "= stale"));
        assert_eq!(bench.derived("memory.usage"), "m g = 50; m h = 70; n h = 9");
        bench.take(&process("h", 3, 8001, 9, None).replace("= 9", "= stale"));
        assert_eq!(bench.derived("memory.usage"), "m g = 50; m h = 70; n h = stale");
        assert_eq!(bench.derived("memory.usage"), "m g = 50; m h = 70");
    });
}

#[test]
fn a_derived_series_is_described_as_its_gpu_is() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&runner(8000, "m", 1, 1));
        bench.take(
            "resource {host.name=\"node\"}\nscope \"receiver/nvml\"\n\
             updown hw.gpu.process.memory.usage{hw.id=\"g\",hw.name=\"H200\",hw.type=\"gpu\",hw.gpu.index=3,\
             nvidia.gpu.minor_number=4,process.pid=7,k8s.pod.name=\"p\",server.port=8000} [By] = 5",
        );
        assert_eq!(
            notation::write(&bench.processor.tick()),
            "resource {host.name=\"node\"}\nscope \"receiver/nvml\"\n\
             about \"GPU memory that a model's processes hold, by gen_ai.request.model and hw.id.\"\n\
             updown gen_ai.server.gpu.memory.usage{gen_ai.provider.name=\"vllm\",gen_ai.request.model=\"m\",\
             hw.gpu.index=3,hw.id=\"g\",hw.name=\"H200\",hw.type=\"gpu\",nvidia.gpu.minor_number=4} [By] = 5 \
             @1000000000000\n"
        );
    });
}

#[test]
fn utilization_is_that_of_the_processes_or_of_a_board_that_a_model_has_alone() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&(runner(8000, "m", 1, 1) + &runner(8001, "n", 1, 1) + &board("g", 0.75, 1)));
        bench.take(&process("g", 1, 8000, 5, None));
        assert_eq!(bench.derived("utilization"), "m g = 0.75");
        bench.take(&process("g", 2, 8001, 5, None));
        assert_eq!(bench.derived("utilization"), "m g = stale");
        bench.take(&process("g", 1, 8000, 5, Some(0.25)));
        assert_eq!(bench.derived("utilization"), "m g = 0.25");
        bench.take(&process("g", 2, 8001, 5, Some(0.5)));
        bench.take(&process("g", 3, 8001, 5, Some(0.75)));
        assert_eq!(bench.derived("utilization"), "m g = 0.25; n g = 1.0");
    });
}

#[test]
fn a_stranger_on_the_board_makes_its_utilization_nobodys() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&(runner(8000, "m", 1, 1) + &board("g", 0.75, 1)));
        bench.take(&process("g", 1, 8000, 5, None));
        bench.take(&process("g", 2, 22, 5, None));
        assert_eq!(bench.derived("utilization"), "");
    });
}

#[test]
fn energy_is_counted_from_when_a_model_is_known() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&board("g", 0.5, 5000));
        bench.pass(5).await;
        bench.take(&(board("g", 0.5, 6000) + &runner(8000, "m", 1, 1) + &process("g", 1, 8000, 5, None)));
        assert_eq!(bench.derived("energy"), "m g = 0.0");
        bench.pass(5).await;
        bench.take(&board("g", 0.5, 8000));
        bench.pass(5).await;
        bench.take(&board("g", 0.5, 8500));
        assert_eq!(bench.derived("energy"), "m g = 2500.0");
        assert_eq!(bench.derived("energy"), "m g = 2500.0");
        // The driver is loaded anew; a value that cannot be; no value.
        for joules in [10, 20, 900_000_000, 900_000_100] {
            bench.pass(5).await;
            bench.take(&board("g", 0.5, joules));
        }
        bench.take(&board("g", 0.5, 0).replace("[J] = 0", "[J] = nan"));
        assert_eq!(bench.derived("energy"), "m g = 2610.0");
        bench.take(&board("g", 0.5, 0).replace("[J] = 0", "[J] = stale"));
        assert_eq!(bench.derived("energy"), "m g = stale");
        // Where it comes back it counts anew, from a new start.
        bench.pass(5).await;
        bench.take(&board("g", 0.5, 900_000_900));
        let batch = bench.processor.tick();
        let energy =
            batch.iter().find(|point| point.series.metric().name == "gen_ai.server.gpu.energy").unwrap();
        assert_eq!(
            (&energy.value, energy.start_unix_nano),
            (&Value::Double(0.0), bench.processor.clock.unix_nano())
        );
    });
}

#[test]
fn the_energy_of_a_shared_board_is_split_by_who_kept_it_busy() {
    run(async {
        let mut bench = Bench::new();
        let all = |joules, shares: [Option<f64>; 3]| {
            board("g", 0.5, joules)
                + &process("g", 1, 8000, 5, shares[0])
                + &process("g", 2, 8001, 5, shares[1])
                + &process("g", 3, 22, 5, shares[2])
        };
        bench.take(&(runner(8000, "m", 1, 1) + &runner(8001, "n", 1, 1)));
        bench.take(&all(1000, [Some(0.3), Some(0.1), Some(0.1)]));
        assert_eq!(bench.derived("energy"), "m g = 0.0; n g = 0.0");
        bench.pass(5).await;
        bench.take(&all(2000, [Some(0.3), Some(0.1), Some(0.1)]));
        // A part is a stranger's.
        let shares = bench.derived("energy");
        assert!(shares.starts_with("m g = 600") && shares.contains("n g = 200"), "{shares}");
        // What an idle board uses is nobody's.
        bench.pass(5).await;
        bench.take(&all(3000, [Some(0.0), Some(0.0), Some(0.0)]));
        assert_eq!(bench.derived("energy"), shares);
        // Where one's part is not known, nobody's is.
        let unknown = all(4000, [Some(0.0), Some(0.0), Some(0.0)]);
        bench.pass(5).await;
        bench.take(&process("g", 4, 22, 5, None));
        bench.take(&unknown);
        assert_eq!(bench.derived("energy"), "m g = stale; n g = stale");
    });
}

#[test]
fn an_instance_uses_the_energy_of_its_board() {
    run(async {
        let mut bench = Bench::new();
        let of =
            |pid, port| process("MIG-a", pid, port, 5, None).replace("hw.type", "hw.parent=\"g\",hw.type");
        bench.take(&(runner(8000, "m", 1, 1) + &of(1, 8000) + &board("g", 0.5, 1000)));
        bench.derived("energy");
        bench.pass(5).await;
        bench.take(&board("g", 0.5, 2000));
        assert_eq!(bench.derived("energy"), "m g = 1000.0");
        assert_eq!(bench.derived("memory.usage"), "m MIG-a = 5");
        // The board's utilization is not the instance's.
        assert_eq!(bench.derived("utilization"), "");
        let other = of(2, 22).replace("MIG-a", "MIG-b");
        bench.take(&other);
        assert_eq!(bench.derived("energy"), "m g = stale");
    });
}

#[test]
fn energy_and_tokens_are_rated_over_a_minute_and_all_gpus() {
    run(async {
        let mut bench = Bench::new();
        // 20 tokens a second on two boards of 100 and 300 W.
        let points = |at: u64| {
            runner(8000, "m", at * 20, 1)
                + &board("g", 0.5, at * 100)
                + &board("h", 0.5, at * 300)
                + &process("g", 1, 8000, 5, None)
                + &process("h", 1, 8000, 5, None)
        };
        work(&mut bench, 60, points).await;
        assert_eq!(bench.derived("energy_per_token"), "");
        work(&mut bench, 10, points).await;
        assert_eq!(bench.derived("energy_per_token"), "m = 20.0");
        assert_eq!(bench.derived("generation.rate"), "m = 10.0");
        // The runner begins anew, and is idle then: nothing is divided by no tokens.
        let idle = |at: u64| {
            points(at).replace(
                &format!("tokens{{gen_ai.provider.name=\"vllm\",gen_ai.request.model=\"m\"}} = {}", at * 20),
                "tokens{gen_ai.provider.name=\"vllm\",gen_ai.request.model=\"m\"} = 0",
            )
        };
        work(&mut bench, 65, idle).await;
        assert_eq!(bench.derived("generation.rate"), "m = 0.0");
        assert_eq!(bench.derived("energy_per_token"), "");
        // Nothing is heard of its tokens.
        work(&mut bench, 130, |at| points(at).replace("generation_tokens", "nothing")).await;
        assert_eq!(bench.derived("generation.rate"), "");
    });
}

#[test]
fn a_board_whose_energy_is_unknown_leaves_the_energy_of_a_token_unknown() {
    run(async {
        let mut bench = Bench::new();
        let points = |at: u64| {
            runner(8000, "m", at * 20, 1)
                + &board("g", 0.5, at * 100)
                + &process("g", 1, 8000, 5, None)
                + &process("h", 1, 8000, 5, None)
        };
        work(&mut bench, 100, points).await;
        assert_eq!(bench.derived("generation.rate"), "m = 10.0");
        assert_eq!(bench.derived("energy_per_token"), "");
    });
}

#[test]
fn two_runners_of_one_model_are_one_model() {
    run(async {
        let mut bench = Bench::new();
        let points = |at: u64| {
            runner(8000, "m", at * 20, 1)
                + &runner(8001, "m", at * 60, 1)
                + &process("g", 1, 8000, 5, None)
                + &process("h", 2, 8001, 5, None)
        };
        work(&mut bench, 100, points).await;
        assert_eq!(bench.derived("generation.rate"), "m = 40.0");
    });
}

#[test]
fn deltas_add_up_as_counters_do() {
    run(async {
        let mut bench = Bench::new();
        let points = |_| {
            runner(8000, "m", 100, 1).replace("counter gen", "delta counter gen")
                + &process("g", 1, 8000, 5, None)
        };
        work(&mut bench, 100, points).await;
        assert_eq!(bench.derived("generation.rate"), "m = 20.0");
    });
}

#[test]
fn a_gpu_is_idle_after_a_minute_without_anything_to_do() {
    run(async {
        let mut bench = Bench::new();
        let points = |utilization, running| {
            move |_| {
                runner(8000, "m", 7, running) + &board("g", utilization, 1) + &process("g", 1, 8000, 5, None)
            }
        };
        work(&mut bench, 60, points(0.0, 0)).await;
        assert_eq!(bench.derived("idle"), "m g = 0");
        work(&mut bench, 5, points(0.0, 0)).await;
        assert_eq!(bench.derived("idle"), "m g = 1");
        // A request that runs, though the GPU does nothing.
        work(&mut bench, 5, points(0.0, 1)).await;
        assert_eq!(bench.derived("idle"), "m g = 0");
        work(&mut bench, 60, points(0.0, 0)).await;
        assert_eq!(bench.derived("idle"), "m g = 1");
        // A GPU that does something, though no request is known.
        work(&mut bench, 5, points(0.1, 0)).await;
        assert_eq!(bench.derived("idle"), "m g = 0");
        work(&mut bench, 60, points(0.0, 0)).await;
        assert_eq!(bench.derived("idle"), "m g = 1");
        // Tokens, though neither said that anything ran.
        bench.take(&runner(8000, "m", 8, 0));
        assert_eq!(bench.derived("idle"), "m g = 0");
        // How busy the board is is not known any more.
        bench.take(&board("g", 0.0, 1).replace("[1] = 0.0", "[1] = stale"));
        assert_eq!(bench.derived("idle"), "m g = stale");
    });
}

#[test]
fn a_runner_that_does_not_tell_what_it_does_is_not_idle() {
    run(async {
        let mut bench = Bench::new();
        let up = "resource {gen_ai.request.model=\"m\",server.address=\"127.0.0.1\",server.port=8000}\ngauge gen_ai.server.up = 1\n";
        work(&mut bench, 100, |_| up.to_owned() + &board("g", 0.0, 1) + &process("g", 1, 8000, 5, None))
            .await;
        assert_eq!(bench.derived("memory.usage"), "m g = 5");
        assert_eq!(bench.derived("idle"), "");
    });
}

#[test]
fn the_end_of_a_series_that_another_has_followed_ends_nothing() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&runner(8000, "m", 1, 1));
        bench.take(&process("g", 1, 8000, 5, None));
        // The owner is known better now: another series of the same process, and the end of the first behind it.
        let better = process("g", 1, 8000, 6, None).replace("server.port", "systemd.unit=\"u\",server.port");
        bench.take(&(better + &process("g", 1, 8000, 5, None).replace("= 5", "= stale")));
        assert_eq!(bench.derived("memory.usage"), "m g = 6");
    });
}

#[test]
fn a_board_that_is_given_to_another_pod_counts_on() {
    run(async {
        let mut bench = Bench::new();
        let of_pod = |pod: &str, joules| {
            board("g", 0.0, joules).replace("hw.id", &format!("k8s.pod.name=\"{pod}\",hw.id"))
        };
        let others = runner(8000, "m", 1, 0) + &process("g", 1, 8000, 5, None);
        work(&mut bench, 65, |at| others.clone() + &of_pod("a", at * 10)).await;
        assert_eq!(bench.derived("energy"), "m g = 600.0");
        bench.pass(5).await;
        // The series of the other pod comes first, and then the end of those of the first.
        let end = of_pod("a", 0).replace("= 1000", "= stale").replace("[1] = 0.0", "[1] = stale");
        bench.take(&(of_pod("b", 700) + &end.replace("[J] = 0", "[J] = stale")));
        assert_eq!(bench.derived("energy"), "m g = 650.0");
        assert_eq!(bench.derived("idle"), "m g = 1");
        assert_eq!(bench.derived("memory.claim"), "m g = 500.0");
    });
}

#[test]
fn silence_is_no_rest() {
    run(async {
        let mut bench = Bench::new();
        let gpu = |utilization| board("g", utilization, 1) + &process("g", 1, 8000, 5, None);
        let points = |running| runner(8000, "m", 7, running) + &gpu(0.0);
        work(&mut bench, 70, |_| points(0)).await;
        work(&mut bench, 5, |_| points(1)).await;
        assert_eq!(bench.derived("idle"), "m g = 0");
        // Nothing is heard of the runner, then of its GPU, for longer than the minute.
        work(&mut bench, 70, |_| gpu(0.0)).await;
        assert_eq!(bench.derived("idle"), "m g = 0");
        work(&mut bench, 5, |_| points(1)).await;
        work(&mut bench, 70, |_| runner(8000, "m", 7, 0)).await;
        assert_eq!(bench.derived("idle"), "m g = 0");
        work(&mut bench, 5, |_| points(0)).await;
        assert_eq!(bench.derived("idle"), "m g = 1");
        // The page of the runner ends, and is back when it may have done anything.
        let end = runner(8000, "m", 7, 0).replace("} = 7", "} = stale").replace("} = 0\n", "} = stale\n");
        assert_eq!(end.matches("stale").count(), 2);
        bench.take(&end);
        assert_eq!(bench.derived("idle"), "m g = stale");
        work(&mut bench, 5, |_| points(0)).await;
        assert_eq!(bench.derived("idle"), "m g = 0");
    });
}
