//! Which model a process serves.

use super::*;

/// The attributes that a process's point goes on with, when its owner and a runner are so.
#[track_caller]
fn check(runners: &[&str], owner: &str, expected: &str) {
    run(async {
        let mut bench = Bench::new();
        for resource in runners {
            bench.take(&format!("resource {{{resource}}}\ngauge gen_ai.server.up = 1"));
        }
        let point =
            format!("gauge hw.gpu.process.utilization{{hw.id=\"g\",process.pid=7,{owner}}} [1] = 0.5");
        let out = bench.take(&format!("resource {{host.name=\"node.example.com\"}}\n{point}"));
        let expected = format!("gauge hw.gpu.process.utilization{{{expected}}} [1] = 0.5");
        assert_eq!(out, expected, "{runners:?} {owner}");
    });
}

const VLLM: &str = "gen_ai.request.model=\"m\",inferometer.runner=\"vllm\"";
const SERVES_M: &str =
    "gen_ai.provider.name=\"vllm\",gen_ai.request.model=\"m\",hw.id=\"g\",process.pid=7,server.port=8000";
const SERVES_NONE: &str = "hw.id=\"g\",process.pid=7,server.port=8000";

fn at(address: &str, port: u16, more: &str) -> String {
    format!("server.address=\"{address}\",server.port={port},{more}").trim_end_matches(',').to_owned()
}

#[test]
fn a_process_serves_the_model_of_the_runner_at_its_port() {
    for address in
        ["127.0.0.1", "localhost", "127.0.0.2", "::1", "[::1]", "node", "NODE.example.com", "10.0.0.7"]
    {
        check(&[&at(address, 8000, VLLM)], "server.port=8000", SERVES_M);
    }
    check(&[&at("127.0.0.1", 8001, VLLM)], "server.port=8000", SERVES_NONE);
    check(&[&at("127.0.0.1", 8000, VLLM)], "server.port=\"8000\"", SERVES_M);
}

#[test]
fn of_several_runners_at_a_port_the_one_of_this_machine_counts() {
    let (other, third) = (at("10.0.0.7", 8000, "gen_ai.request.model=\"x\""), at("10.0.0.8", 8000, ""));
    check(&[&other, &at("127.0.0.1", 8000, VLLM)], "server.port=8000", SERVES_M);
    check(&[&other, &at("node", 8000, VLLM)], "server.port=8000", SERVES_M);
    check(&[&other, &third], "server.port=8000", SERVES_NONE);
    // The same one by two names.
    check(&[&at("127.0.0.1", 8000, VLLM), &at("localhost", 8000, VLLM)], "server.port=8000", SERVES_M);
    // A host of another domain is another.
    let elsewhere = at("node.example.org", 8000, "gen_ai.request.model=\"x\"");
    check(&[&elsewhere, &third], "server.port=8000", SERVES_NONE);
}

#[test]
fn the_nearest_port_at_which_something_is_scraped_counts() {
    let (api, other) = (at("127.0.0.1", 8000, VLLM), at("127.0.0.1", 80, "gen_ai.request.model=\"x\""));
    let owner = "server.port=80,inferometer.process.ports=\"41234,8000,80\"";
    check(&[&other, &api], owner, SERVES_M);
    // The list is of use to us alone.
    check(&[], "server.port=8000,inferometer.process.ports=\"41234,8000\"", SERVES_NONE);
}

#[test]
fn a_pod_is_known_by_its_name() {
    let pod = |name: &str, more: &str| {
        let pod = format!("k8s.namespace.name=\"n\",k8s.pod.name=\"{name}\",{more}");
        at(if name == "a" { "10.0.0.1" } else { "10.0.0.2" }, 8000, &pod)
    };
    let of_pod = "k8s.namespace.name=\"n\",k8s.pod.name=\"b\"";
    let owner = format!("server.port=8000,{of_pod}");
    let serves_m = SERVES_M.replace(",process.pid", &format!(",{of_pod},process.pid"));
    check(&[&pod("a", ""), &pod("b", VLLM)], &owner, &serves_m);
    let serves_none = SERVES_NONE.replace(",process.pid", &format!(",{of_pod},process.pid"));
    check(&[&pod("a", VLLM)], &owner, &serves_none);
}

#[test]
fn the_model_may_be_known_from_points_where_it_is_one() {
    run(async {
        let mut bench = Bench::new();
        let of = |model: &str| runner(8000, model, 1, 1);
        bench.take(&of("m"));
        let point = process("g", 7, 8000, 5, None);
        let serves_m = "updown hw.gpu.process.memory.usage{gen_ai.provider.name=\"vllm\",gen_ai.request.model=\"m\",hw.id=\"g\",hw.type=\"gpu\",process.pid=7,server.port=8000} [By] = 5";
        assert_eq!(bench.take(&point), serves_m);
        // With a second model nobody knows which it is; the series under the first has ended.
        bench.take(&of("n"));
        let serves_vllm = serves_m.replace("gen_ai.request.model=\"m\",", "");
        assert_eq!(bench.take(&point), format!("{serves_vllm}\n{}", serves_m.replace("= 5", "= stale")));
        assert_eq!(bench.take(&point), serves_vllm);
    });
}

#[test]
fn a_runner_may_come_later_and_go() {
    run(async {
        let mut bench = Bench::new();
        let point = process("g", 7, 8000, 5, None);
        let alone = bench.take(&point);
        assert!(!alone.contains(MODEL));
        bench.take(&runner(8000, "m", 1, 1));
        let served = bench.take(&point);
        let (now, before) = served.split_once('\n').unwrap();
        assert!(now.contains("gen_ai.request.model=\"m\""), "{now}");
        assert_eq!(before, alone.replace("= 5", "= stale"));
        // The end of the process is that of the series that is out.
        let end = bench.take(&point.replace("= 5", "= stale"));
        assert_eq!(end, now.replace("= 5", "= stale"));
        // Nothing is heard of the runner for long.
        bench.pass(301).await;
        bench.tick();
        let again = bench.take(&point);
        assert_eq!(again.lines().next(), Some(alone.as_str()));
    });
}

#[test]
fn with_gpus_of_several_hosts_only_names_count() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&runner(8000, "m", 1, 1));
        let (here, there) = (process("g", 7, 8000, 5, None), process("h", 7, 8000, 5, None));
        assert!(bench.take(&here).contains(MODEL));
        let there = there.replace("\"node\"", "\"other\"");
        assert!(!bench.take(&there).contains(MODEL));
        assert!(!bench.take(&here).lines().next().unwrap().contains(MODEL));
        bench.take(&runner(8000, "n", 1, 1).replace("127.0.0.1", "other"));
        assert!(bench.take(&there).contains("gen_ai.request.model=\"n\""));
    });
}

#[test]
fn what_is_neither_passes_as_it_is() {
    run(async {
        let mut bench = Bench::new();
        let text = "gauge system.memory.usage{state=\"used\"} [By] = 5\n\
                    gauge hw.gpu.utilization{hw.id=\"g\",hw.gpu.task=\"encoder\"} [1] = 0.5\n\
                    gauge hw.gpu.utilization [1] = 0.5\n\
                    gauge hw.gpu.process.utilization [1] = 0.5\n\
                    counter gen_ai.server.generation_tokens = 7\n\
                    histogram gen_ai.server.request.duration [s] = count 1 buckets inf:1";
        let expected = bench.take(text);
        assert_eq!(bench.take(&expected), expected);
        assert_eq!(expected.lines().count(), 6);
        assert_eq!(bench.tick(), "");
    });
}

#[test]
fn without_room_for_another_series_the_point_keeps_its_own() {
    run(async {
        let mut bench = Bench::of(4, true);
        bench.take(&runner(8000, "m", 1, 1));
        let out = bench.take(&process("g", 7, 8000, 5, None));
        assert!(out.contains("= 5") && !out.contains(MODEL), "{out}");
        assert_eq!(bench.tick(), "");
    });
}

#[test]
fn without_deriving_processes_are_completed_all_the_same() {
    run(async {
        let mut bench = Bench::of(100, false);
        bench.take(&runner(8000, "m", 1, 1));
        assert!(bench.take(&process("g", 7, 8000, 5, None)).contains(MODEL));
        assert_eq!(bench.tick(), "");
    });
}

#[test]
fn what_is_forgotten_is_bounded_and_found_again() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&(runner(8000, "m", 1, 1) + &board("g", 0.5, 1) + &process("g", 7, 8000, 5, Some(0.5))));
        bench.pass(400).await;
        bench.tick();
        let machine = &bench.processor.machine;
        assert!(machine.boards.is_empty() && machine.processes.is_empty() && machine.energies.is_empty());
        assert!(bench.processor.outputs.is_empty());
        // The same series again, whose roles are remembered.
        bench.take(&(runner(8000, "m", 1, 1) + &board("g", 0.5, 1) + &process("g", 7, 8000, 5, Some(0.5))));
        assert_eq!(bench.derived("memory.usage"), "m g = 5");
        bench.held.clear();
        bench.pass(400).await;
        bench.tick();
        bench.processor.sweep();
        assert_eq!(bench.processor.roles.values_mut().count(), 0);
    });
}

#[test]
fn a_process_that_serves_nothing_leaves_nothing_behind() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&process("g", 7, 8000, 5, Some(0.5)));
        // One that is told already what it serves, and so goes on as it is.
        bench.take(&runner(8001, "m", 1, 1));
        let served = process("g", 8, 8001, 5, None)
            .replace("hw.id", "gen_ai.provider.name=\"vllm\",gen_ai.request.model=\"m\",hw.id");
        bench.take(&served);
        assert!(bench.registry.live() > 0);
        bench.held.clear();
        bench.pass(400).await;
        bench.tick();
        bench.processor.sweep();
        assert_eq!(bench.processor.roles.values_mut().count(), 0);
        assert_eq!(bench.registry.live(), 0);
    });
}

#[test]
fn a_process_whose_ports_are_others_goes_on() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&runner(8000, "m", 1, 1));
        let with_ports = |ports: &str| {
            let of_owner = format!("inferometer.process.ports=\"{ports}\",server.port");
            process("g", 7, 8000, 5, None).replace("server.port", &of_owner)
        };
        let out = bench.take(&with_ports("8000,41234"));
        let end = with_ports("8000,41234").replace("= 5", "= stale");
        // Both are one outside, whichever comes first.
        assert_eq!(bench.take(&(with_ports("8000,41235") + &end)), out);
        let end = with_ports("8000,41235").replace("= 5", "= stale");
        assert_eq!(bench.take(&(end + &with_ports("8000,41236"))), out);
        let end = with_ports("8000,41236").replace("= 5", "= stale");
        assert_eq!(bench.take(&end), out.replace("= 5", "= stale"));
    });
}

#[test]
fn a_port_that_several_containers_have_is_nobodys() {
    run(async {
        let mut bench = Bench::new();
        bench.take(&(runner(8000, "m", 1, 1) + &runner(8001, "n", 1, 1)));
        let of = |pid, container: &str| {
            process("g", pid, 8000, 5, None).replace("hw.id", &format!("container.id=\"{container}\",hw.id"))
        };
        // Two of one container are no two.
        bench.take(&(of(1, "a") + &of(2, "a")));
        assert!(bench.take(&(of(1, "a") + &of(2, "a"))).lines().all(|line| line.contains("\"m\"")));
        // Another that is published at another port.
        bench.take(&of(3, "b"));
        let out = bench.take(&(of(1, "a") + &of(2, "a") + &of(3, "b")));
        let values: Vec<_> = out.lines().filter(|line| !line.contains("stale")).collect();
        assert!(values.len() == 3 && values.iter().all(|line| !line.contains(MODEL)), "{out}");
        // Where the first has gone, it is the other's.
        bench.take(&(of(1, "a") + &of(2, "a")).replace("= 5", "= stale"));
        assert!(bench.take(&of(3, "b")).lines().next().unwrap().contains("\"m\""));
    });
}

#[test]
fn pages_of_several_models_at_one_port_are_of_none_until_one_is_left() {
    run(async {
        let mut bench = Bench::new();
        let page = |model: &str| {
            let resource = at("127.0.0.1", 8000, &format!("gen_ai.request.model=\"{model}\""));
            format!("resource {{{resource}}}\ngauge gen_ai.server.requests.running = 1")
        };
        let point = process("g", 7, 8000, 5, None);
        bench.take(&page("m"));
        assert!(bench.take(&point).contains("gen_ai.request.model=\"m\""));
        bench.take(&page("n"));
        assert!(!bench.take(&point).lines().next().unwrap().contains(MODEL));
        // The runner was started again with the other one.
        for _ in 0..13 {
            bench.pass(10).await;
            bench.take(&page("n"));
            bench.tick();
        }
        assert!(bench.take(&point).contains("gen_ai.request.model=\"n\""));
    });
}
