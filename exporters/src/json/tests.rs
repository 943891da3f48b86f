use std::net::SocketAddr;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use pipeline::net::auth::Denied;
use pipeline::net::client::{ClientConfig, HttpClient};
use pipeline::net::full;
use pipeline::{Clock, notation};

use super::*;
use crate::testing;

fn context() -> Context {
    Context { clock: Clock::starting_at(1_700_000_000_123_000_000), ..testing::context(&ENTRY) }
}

fn exporter(settings: &str) -> Json {
    let context = context();
    let section = Section::from_yaml("exporters.json", settings).unwrap();
    let (config, pages) = Config::read(&section, &context.net).unwrap();
    Json::new(config, pages, context)
}

impl Json {
    async fn given(self, points: &str) -> Self {
        self.add(points).await;
        self
    }

    async fn add(&self, points: &str) -> Receipt {
        let batch = notation::parse(points, &self.context.registry).unwrap();
        self.export(&batch).await.unwrap()
    }

    /// What the page of this index says.
    async fn answer(&self, page: usize) -> (StatusCode, String) {
        let endpoint = Endpoint {
            store: self.store.clone(),
            pages: self.pages.clone(),
            page,
            clock: self.context.clock.clone(),
        };
        let response = endpoint.answer(&Method::GET);
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

async fn said(points: &str, body: &str) -> String {
    let exporter = exporter(&format!("pages: [{{path: /x, body: {body}}}]")).given(points).await;
    exporter.answer(0).await.1
}

/// The body that a shape makes of points.
async fn check(points: &str, body: &str, expected: &str) {
    assert_eq!(said(points, body).await, expected, "{body}");
}

#[tokio::test]
async fn what_is_no_value_stands_as_it_is_written() {
    check("", r#"{z: 1, a: [text, true, null, 1.5], "": {}}"#, r#"{"z":1,"a":["text",true,null,1.5],"":{}}"#)
        .await;
    check("", "ok", r#""ok""#).await;
}

#[tokio::test]
async fn a_metric_is_a_number() {
    let points = "gauge a{s=\"ok\"} = 2.25\ngauge a{s=\"bad\"} = 1\ngauge a{t=\"x\"} = 4";
    check(points, "{$metric: a}", "7.25").await;
    check(points, "{$metric: a, round: 0}", "7").await;
    check(points, "{$metric: a, round: 1}", "7.3").await;
    check(points, "{$metric: a, combine: max}", "4").await;
    check(points, "{$metric: a, combine: min}", "1").await;
    check(points, "{$metric: a, combine: mean, round: 3}", "2.417").await;
    check(points, "{$metric: a, where: {s: ok}, scale: 1000, offset: 5}", "2255").await;
    check(points, "{$metric: a, where: {s: [ok, bad]}, round: 2}", "3.25").await;
    check(points, "{$metric: a, where: {s: ''}}", "4").await;
    check("counter c{code=200} = 9007199254740991", "{$metric: c, where: {code: 200}}", "9007199254740991")
        .await;
    check("resource {host.name=\"h\"}\ngauge a = 3", "{$metric: a, where: {'resource:host.name': h}}", "3")
        .await;
}

#[tokio::test]
async fn of_distributions_the_count_the_sum_the_mean_and_quantiles_are_taken() {
    let summary = "summary s = count 4 sum 10 quantiles 0.5:2 0.95:nan 0.99:3.25";
    check(summary, "{$metric: s, quantile: 0.5}", "2").await;
    check(summary, "[{$metric: s, quantile: 0.95}, {$metric: s, quantile: 0.9}]", "[null,null]").await;
    check(summary, "{$metric: s, quantile: 0.99, round: 1}", "3.3").await;
    let histogram = "histogram h = count 4 sum 10 buckets 1:1 inf:3";
    for points in [summary.replace("summary s", "summary h"), histogram.to_owned()] {
        check(
            &points,
            "[{$metric: h, take: count}, {$metric: h, take: sum}, {$metric: h, take: mean}]",
            "[4,10,2.5]",
        )
        .await;
        check(&points, "{$metric: h}", "null").await;
    }
    check("histogram h = count 0 sum 0", "{$metric: h, take: mean, default: 0}", "0").await;
    check("exponential e = count 2 sum 5 positive 0:2", "{$metric: e, take: mean}", "2.5").await;
}

#[tokio::test]
async fn what_is_absent_is_null_or_its_default_or_left_out() {
    check("", "{a: {$metric: a}, b: {$metric: a, default: 0}}", r#"{"a":null,"b":0}"#).await;
    check("", "{a: {$metric: a, omit: true}, b: {$metric: a, default: none}}", r#"{"b":"none"}"#).await;
    check("", "[{$metric: a, omit: true}, 1]", "[1]").await;
    check("gauge a = nan", "{$metric: a}", "null").await;
    check("gauge a = inf\ngauge a{x=1} = 2", "{$metric: a}", "2").await;
    check("gauge a = 1\ngauge a = stale", "{$metric: a}", "null").await;
    check("gauge a = 1", "{$metric: a, take: count}", "null").await;
    check("", "{a: {$each: a, by: x, omit: true}, b: {$list: a, item: 1, omit: true}}", "{}").await;
}

#[tokio::test]
async fn each_value_of_a_label_has_a_number() {
    let points = "gauge a{m=\"b\",x=1} = 1.6\ngauge a{m=\"b\",x=2} = 1\ngauge a{m=\"a\"} = 3\ngauge a{m=10} = 4\n\
                  gauge a{m=9} = 5\ngauge a = 7";
    check(points, "{$each: a, by: m, round: 0}", r#"{"9":5,"10":4,"a":3,"b":3}"#).await;
    check(points, "{$each: a, by: m, combine: max, where: {x: [1, 2]}}", r#"{"b":1.6}"#).await;
    check("", "{$each: a, by: m}", "{}").await;
}

#[tokio::test]
async fn a_list_has_an_element_for_each_series_by_its_labels() {
    let points = "gauge gpu{id=10,n=\"y\"} = 1\ngauge gpu{id=9,n=\"z\"} = 2\ngauge temp{id=9} = 50\ngauge temp{id=10} = 60";
    let item = "{id: {$label: id}, t: {$metric: temp, with: [id]}, of: {$text: '${n}:${id}'}}";
    check(
        points,
        &format!("{{$list: gpu, item: {item}}}"),
        r#"[{"id":"9","t":50,"of":"z:9"},{"id":"10","t":60,"of":"y:10"}]"#,
    )
    .await;
    check(points, "{$list: gpu, where: {n: y}, item: {$label: id}}", r#"["10"]"#).await;
    check(
        points,
        "{$list: gpu, item: [{$label: x}, {$label: x, default: none}, {$text: 'a ${x}', omit: true}]}",
        r#"[[null,"none"],[null,"none"]]"#,
    )
    .await;
    check("", "{$list: gpu, item: 1}", "[]").await;
}

#[tokio::test]
async fn a_list_groups_series_and_lists_are_within_lists() {
    let points = "gauge w{c=2,ip=\"b\"} = 1\ngauge w{c=10,ip=\"a\"} = 1\ngauge w{c=2,ip=\"a\"} = 1\ngauge w{ip=\"z\"} = 1";
    check(
        points,
        "{$list: w, by: [c], item: {c: {$label: c}, n: {$metric: w, with: c}, \
          t: {$list: w, with: [c], item: {$text: '${ip}:10151'}}}}",
        r#"[{"c":"2","n":2,"t":["a:10151","b:10151"]},{"c":"10","n":1,"t":["a:10151"]},{"c":null,"n":1,"t":["z:10151"]}]"#,
    )
    .await;
    // Labels that an inner item lacks are those of the outer one.
    check(
        points,
        "{$list: w, by: c, where: {c: 2}, item: {$list: w, with: c, by: ip, item: {$text: '${c}/${ip}'}}}",
        r#"[["2/a","2/b"]]"#,
    )
    .await;
}

#[tokio::test]
async fn times_are_those_of_the_clock() {
    let body = said("", "[{$time: unix_ms}, {$time: unix_s}]").await;
    assert!(body.starts_with("[1700000000") && body.ends_with(",1700000000]"), "{body}");
}

#[tokio::test]
async fn a_page_may_stand_in_another() {
    let exporter = exporter(
        "pages:\n- {path: /all, body: {gpu: {$page: /gpu}, n: 1}}\n\
         - path: /gpu\n  when: [{metric: up, below: 1, status: 200, body: {error: none}}]\n  body: {t: {$metric: temp}}\n",
    );
    let exporter = exporter.given("gauge temp = 50\ngauge up = 1").await;
    assert_eq!(exporter.answer(0).await.1, r#"{"gpu":{"t":50},"n":1}"#);
    exporter.add("gauge up = 0").await;
    assert_eq!(exporter.answer(0).await, (StatusCode::OK, r#"{"gpu":{"error":"none"},"n":1}"#.to_owned()));
    assert_eq!(exporter.answer(1).await, (StatusCode::OK, r#"{"error":"none"}"#.to_owned()));
}

#[tokio::test]
async fn the_first_answer_that_holds_is_given() {
    let exporter = exporter(
        "pages:\n- path: /ready\n  body: {status: ready}\n  status: 201\n  when:\n\
         \x20 - {metric: loaded, absent: true, body: {status: unknown}}\n\
         \x20 - {metric: loaded, where: {x: '1'}, below: 1, status: 500}\n\
         \x20 - {metric: loaded, at_least: 2, below: 3, status: 429, body: many}\n",
    );
    let check = async |points: &str, status: u16, body: &str| {
        exporter.add(points).await;
        assert_eq!(
            exporter.answer(0).await,
            (StatusCode::from_u16(status).unwrap(), body.to_owned()),
            "{points}"
        );
    };
    check("", 503, r#"{"status":"unknown"}"#).await;
    check("gauge loaded{x=1} = 0", 500, r#"{"status":"ready"}"#).await;
    check("gauge loaded{x=1} = 1", 201, r#"{"status":"ready"}"#).await;
    check("gauge loaded{x=2} = 1", 429, r#""many""#).await;
    check("gauge loaded{x=2} = 2", 201, r#"{"status":"ready"}"#).await;
    check("gauge loaded{x=2} = stale\ngauge loaded{x=1} = stale", 503, r#"{"status":"unknown"}"#).await;
}

#[tokio::test]
async fn deltas_add_up_and_older_points_are_passed_over() {
    check("delta counter c = 5 @10\ndelta counter c = 6 @20", "{$metric: c}", "11").await;
    check("gauge a = 5 @20\ngauge a = 6 @10", "{$metric: a}", "5").await;
    check(
        "delta histogram h = count 1 sum 2 @10\ndelta histogram h = count 3 sum 4 @20",
        "[{$metric: h, take: count}, {$metric: h, take: sum}]",
        "[4,6]",
    )
    .await;
}

#[tokio::test]
async fn only_metrics_that_a_page_names_are_held_and_no_more_series_than_allowed() {
    let exporter = exporter(
        "max_series: 2\npages: [{path: /x, body: [{$metric: a}, {$list: l, item: {$metric: i}}], \
         when: [{metric: w, below: 0, body: {$each: e, by: x}}]}]",
    );
    assert_eq!(exporter.add("gauge other = 1\ngauge a = 1\ngauge a{x=1} = 1").await.rejected, 0);
    assert_eq!(exporter.add("gauge a{x=2} = 1\ngauge i = 1\ngauge a = 2\ngauge b = 1").await.rejected, 2);
    assert_eq!(exporter.store.lock().unwrap().len(), 2);
    exporter.add("gauge a = stale\ngauge e{x=2} = 1").await;
    assert_eq!(exporter.store.lock().unwrap().len(), 2);
    let names = ["a", "e", "i", "l", "w"].map(str::to_owned);
    assert_eq!(exporter.pages.metrics().into_iter().collect::<Vec<_>>(), names);
}

#[tokio::test(start_paused = true)]
async fn series_expire_when_nothing_was_heard_of_them() {
    let settings = "endpoint: 127.0.0.1:0\nmetric_expiration: 1m\npages: [{path: /x, body: [{$metric: a}, {$metric: b}]}]";
    let exporter = exporter(settings);
    exporter.start().await.unwrap();
    exporter.add("gauge a = 1\ngauge b = 1").await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    exporter.add("gauge a = 2").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(exporter.answer(0).await.1, "[2,null]");
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(exporter.store.lock().unwrap().len(), 0);
    assert_eq!(exporter.context.registry.live(), 0);
    exporter.stop().await;
}

async fn send(address: SocketAddr, method: Method, path: &str) -> (StatusCode, http::HeaderMap, String) {
    let request = http::Request::builder().method(method).uri(format!("http://{address}{path}"));
    let client = HttpClient::new(&ClientConfig::default()).unwrap();
    let (head, body) = client.send(request.body(full("")).unwrap()).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn pages_are_served_over_http() {
    let pages = "pages: [{path: /a, body: {a: {$metric: a}}}, {path: /b, body: b}]";
    let exporter =
        exporter(&format!("endpoint: 127.0.0.1:0\nprefix: /api\n{pages}")).given("gauge a = 1").await;
    let notes = exporter.start().await.unwrap();
    let address = notes[0].split('/').nth(2).unwrap().parse().unwrap();
    let expected = ["/api/a", "/api/b"].map(|path| format!("JSON page at http://{address}{path}"));
    assert_eq!(notes, expected);
    let (status, headers, body) = send(address, Method::GET, "/api/a?x=1").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"a":1}"#));
    assert_eq!(headers["content-type"], "application/json");
    let (status, headers, body) = send(address, Method::HEAD, "/api/a").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, ""));
    assert_eq!(headers["content-length"], "7");
    let (status, headers, body) = send(address, Method::POST, "/api/b").await;
    assert_eq!((status, &headers["allow"]), (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap()));
    assert_eq!(body, r#"{"error":"only GET and HEAD are answered here"}"#);
    assert_eq!(send(address, Method::GET, "/a").await.0, StatusCode::NOT_FOUND);
    exporter.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn pages_are_served_at_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let exporter =
        exporter(&format!("endpoint: 'unix://{}'\npages: [{{path: /a, body: 1}}]", path.display()));
    assert_eq!(exporter.start().await.unwrap(), [format!("JSON page at unix://{}:/a", path.display())]);
    let client = ClientConfig { unix_socket: Some(path.clone()), ..ClientConfig::default() };
    let request = http::Request::get("http://localhost/a").body(full("")).unwrap();
    let response = HttpClient::new(&client).unwrap().send(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "1");
    exporter.stop().await;
    assert!(!path.exists());
}

#[test]
fn the_example_and_the_effective_configuration_are_read() {
    let section = Section::from_yaml("exporters.json", ENTRY.example).unwrap();
    assert_eq!(build(&section, &context()).unwrap().delivery, Delivery::Direct);
    let effective = (ENTRY.effective)(&section).unwrap();
    let text = serde_json::to_string(&effective).unwrap();
    assert!(text.contains(r#"{"total":{"$metric":"requests","round":0}}"#), "{text}");
}

#[test]
fn the_pages_of_a_file_are_chosen_by_port() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.yaml");
    let file = "mapping: own\nfacade: {port: 8080}\nendpoints:\n- {path: /metrics}\n- {path: /health, format: json, body: 1}\n\
                - {path: /health, format: json, port: 8081, body: {$list: x}}\n- {path: /b, format: json}\n";
    std::fs::write(&path, file).unwrap();
    let read = |port: &str| {
        let settings = format!("file: '{}'\n{port}\npages: [{{path: /own}}]", path.display());
        let section = Section::from_yaml("exporters.json", &settings).unwrap();
        let (_, pages) = Config::read(&section, &context().net).map_err(|problems| problems.to_string())?;
        Ok(pages.pages.iter().map(|page| page.path.clone()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(read("port: 8080"), Ok("/health /b /own".to_owned()));
    assert_eq!(read("port: 8082"), Ok("/own".to_owned()));
    let told: String = read("port: 8081").unwrap_err();
    assert!(told.starts_with(&format!("{}:6:", path.display())), "{told}");
    assert!(told.ends_with("needs `item`, the shape of an element"), "{told}");
    assert!(read("").unwrap_err().contains("`/health` is there twice; `port` chooses"));
}

#[test]
fn the_pages_of_every_schema_make_sense() {
    for schema in pipeline::mapping::builtin::all_schemas() {
        let section = Section::from_yaml("exporters.json", &format!("schema: {schema}")).unwrap();
        if let Err(problems) = build(&section, &context()) {
            let text = problems.to_string();
            assert!(
                text.ends_with("exporters.json: there is no page; set `schema`, `file` or `pages`"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn the_api_of_a_schema_is_served_beside_its_pages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.yaml");
    let file = "endpoints:\n- {path: /a, format: json, body: 1}\n- {path: /v2/metrics/config, format: runtime_config}\n";
    std::fs::write(&path, file).unwrap();
    let exporter = exporter(&format!("endpoint: 127.0.0.1:0\nfile: '{}'", path.display()));
    let notes = exporter.start().await.unwrap();
    let address = notes[1].split('/').nth(2).unwrap().parse().unwrap();
    assert_eq!(notes[1], format!("JSON page at http://{address}/v2/metrics/config"));
    assert_eq!(send(address, Method::GET, "/a").await.2, "1");
    // There is none of it without credentials.
    let (status, _, body) = send(address, Method::GET, "/v2/metrics/config").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("set `exporters.json.runtime_config.auth.authenticator`"), "{body}");
    exporter.stop().await;
}

#[tokio::test]
async fn who_has_no_credentials_is_told_in_json() {
    let exporter = exporter("pages: [{path: /x, body: 1}]");
    let (_, service, _) = exporter.services().remove(0);
    let (parts, ()) = http::Request::get("/x").body(()).unwrap().into_parts();
    let response = service.deny(&parts, &Denied { challenge: "Basic".to_owned() });
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "Basic");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), r#"{"error":"unauthorized"}"#);
}
