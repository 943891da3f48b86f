//! Which labels stay: those that say what was measured, none about people, processes and configuration.

use crate::Mapped;

#[test]
fn nothing_of_litellm_says_whose_requests_they_were() {
    const PEOPLE: [&str; 13] = [
        "user",
        "end_user",
        "user_email",
        "api_key_alias",
        "hashed_api_key",
        "client_ip",
        "user_agent",
        "team",
        "team_alias",
        "team_id",
        "org_id",
        "org_alias",
        "tag",
    ];
    for fixture in ["litellm-1.105.0-after.", "litellm-1.105.0-after-openmetrics"] {
        let mapped = Mapped::fixture(fixture);
        assert!(mapped.points("litellm_proxy_total_requests_metric_total").len() > 1, "{fixture}");
        for label in PEOPLE {
            let (first, other) = (format!("{{{label}="), format!(",{label}="));
            let found = mapped.all().find(|line| line.contains(&first) || line.contains(&other));
            assert_eq!(found, None, "{fixture}: {label}");
        }
    }
}

#[test]
fn requests_that_differ_in_people_only_are_added_up() {
    let page = "# TYPE litellm_proxy_total_requests_metric_total counter\n\
                litellm_proxy_total_requests_metric_total{end_user=\"a\",requested_model=\"m\",status_code=\"200\"} 3\n\
                litellm_proxy_total_requests_metric_total{end_user=\"b\",requested_model=\"m\",status_code=\"200\"} 4\n\
                # TYPE litellm_remaining_requests_metric gauge\n\
                litellm_remaining_requests_metric{hashed_api_key=\"a\",model_id=\"i\"} 9\n\
                litellm_remaining_requests_metric{hashed_api_key=\"b\",model_id=\"i\"} 8\n\
                # TYPE litellm_remaining_user_budget_metric gauge\nlitellm_remaining_user_budget_metric{user=\"a\"} 1\n";
    let mapped = Mapped::of(page);
    mapped.check("litellm_proxy_total_requests_metric_total", "= 7.0");
    mapped.check("litellm_remaining_requests_metric", "[{request}] = 8.0");
    mapped.check_absent("litellm_remaining_user_budget_metric");
}

#[test]
fn a_value_that_was_escaped_twice_stays_as_it_came() {
    let page = "# TYPE litellm_requests_metric_total counter\n\
                litellm_requests_metric_total{model=\"a\\\\\\\"b\"} 1\n";
    let mapped = Mapped::of(page);
    assert_eq!(
        mapped.points("litellm_requests_metric_total"),
        [r#"litellm_requests_metric_total{model="a\\\"b"} = 1.0"#]
    );
}

#[test]
fn nothing_of_ray_names_workers_actors_sessions_or_nodes() {
    let mapped = Mapped::fixture("ray-2.60.0");
    for label in [
        "WorkerId",
        "SessionName",
        "NodeAddress",
        "ReplicaId",
        "actor_id",
        "node_id",
        "node_ip_address",
        "pid",
        "ip",
    ] {
        let (first, other) = (format!("{{{label}="), format!(",{label}="));
        let found = mapped.all().find(|line| line.contains(&first) || line.contains(&other));
        assert_eq!(found, None, "{label}");
    }
    let page = "# TYPE ray_vllm_generation_tokens_total counter\n\
                ray_vllm_generation_tokens_total{WorkerId=\"a\",model_name=\"m\"} 3\n\
                ray_vllm_generation_tokens_total{WorkerId=\"b\",model_name=\"m\"} 4\n";
    Mapped::of(page).check("gen_ai.server.generation_tokens", "[{token}] = 7.0");
}

#[test]
fn a_configuration_keeps_a_few_of_its_labels() {
    let mapped = Mapped::fixture("vllm-0.33.0-spec-lora");
    let points = mapped.points("vllm:cache_config_info");
    assert_eq!(points.len(), 1);
    assert!(points[0].contains("num_gpu_blocks=\"27104\"") && !points[0].contains("mamba"), "{points:?}");
    assert_eq!(points[0].matches("=\"").count(), 8, "{points:?}");
}

#[test]
fn of_several_processes_that_say_the_same_one_is_heard() {
    let page = "# TYPE sglang:num_retracted_reqs gauge\n\
                sglang:num_retracted_reqs{model_name=\"m\",pid=\"1\"} 2\n\
                sglang:num_retracted_reqs{model_name=\"m\",pid=\"2\"} 5\n";
    Mapped::of(page).check("sglang:num_retracted_reqs", "[{request}] = 5.0");
    let fixture = Mapped::fixture("sglang-0.5.23.");
    assert_eq!(fixture.all().find(|line| line.contains("pid=")), None);
}

#[test]
fn ranks_of_one_engine_count_once_and_engines_each() {
    let page = |labels: [&str; 3]| {
        let sample = |value: usize| {
            let labels = labels[value];
            format!(
                "sglang:num_running_reqs{{{labels}}} {}\nsglang:num_retracted_requests_total{{{labels}}} {}\n",
                value + 4,
                value + 1
            )
        };
        "# TYPE sglang:num_running_reqs gauge\n# TYPE sglang:num_retracted_requests_total counter\n"
            .to_owned()
            + &(0..3).map(sample).collect::<String>()
    };
    let tensor = Mapped::of(&page([
        "pp_rank=\"0\",tp_rank=\"0\"",
        "pp_rank=\"0\",tp_rank=\"1\"",
        "pp_rank=\"1\",tp_rank=\"0\"",
    ]));
    tensor.check("gen_ai.server.requests.running", "[{request}] = 6.0");
    tensor.check("gen_ai.server.requests.preempted", "[{request}] = 1.0");
    // With attention in data parallel, the tensor ranks are those of all engines together.
    let data = Mapped::of(&page([
        "dp_rank=\"0\",pp_rank=\"0\",tp_rank=\"0\"",
        "dp_rank=\"1\",pp_rank=\"0\",tp_rank=\"1\"",
        "dp_rank=\"2\",pp_rank=\"0\",tp_rank=\"2\"",
    ]));
    for metric in ["gen_ai.server.requests.running", "gen_ai.server.requests.preempted"] {
        let points = data.points(metric);
        assert_eq!(points.len(), 3, "{points:?}");
        assert!(points[1].contains("gen_ai.server.engine=\"1\""), "{points:?}");
    }
}

#[test]
fn engines_of_vllm_stay_apart() {
    let mapped = Mapped::fixture("vllm-0.33.0-dp2");
    let points = mapped.points("gen_ai.server.requests.running");
    assert_eq!(points.len(), 2);
    assert!(points[0].contains("gen_ai.server.engine=\"0\"") && points[0].ends_with("= 5.0"), "{points:?}");
    assert!(points[1].contains("gen_ai.server.engine=\"1\"") && points[1].ends_with("= 6.0"), "{points:?}");
}

#[test]
fn a_runner_without_a_label_for_the_model_takes_what_is_known_of_its_target() {
    for (fixture, sample) in [
        ("llamacpp-0.5.0-dev-0c1e57098-load", "llamacpp:requests_processing 1\n"),
        ("tgi-", "tgi_queue_size 1\n"),
        ("tei-", "te_queue_size 1\n"),
    ] {
        let mapped = Mapped::fixture(fixture);
        assert_eq!(mapped.all().find(|line| line.contains("gen_ai.request.model")), None, "{fixture}");
        let discovered = Mapped::with(&["--resource", "gen_ai.request.model=m"], sample);
        let labelled = Mapped::of(&sample.replace(' ', "{model=\"m\"} "));
        for mapped in [discovered, labelled] {
            let found = mapped.all().find(|line| line.contains("{gen_ai.provider.name=\""));
            assert!(
                found.is_some_and(|line| line.contains("gen_ai.request.model=\"m\"")),
                "{fixture}: {found:?}"
            );
        }
    }
}

#[test]
fn what_dynamo_counts_has_no_ids_of_workers_or_routers() {
    for fixture in ["dynamo-1.6.1-frontend-load", "dynamo-1.6.1-worker-mocker-load"] {
        let mapped = Mapped::fixture(fixture);
        let named = mapped.all().filter(|line| line.contains(" gen_ai."));
        let found: Vec<_> =
            named.filter(|line| line.contains("worker_id") || line.contains("router_id")).collect();
        assert_eq!(found, [""; 0], "{fixture}");
    }
}
