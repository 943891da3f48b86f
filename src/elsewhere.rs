//! Components that an OpenTelemetry Collector has and this collector has not: what to do instead, or why they may stay.

/// What would do in the place of a component that is known elsewhere; `None` where the name is not known.
pub(crate) fn instead_of(section: &str, kind: &str) -> Option<&'static str> {
    let list = match section {
        "receivers" => RECEIVERS,
        "processors" => PROCESSORS,
        "exporters" => EXPORTERS,
        "extensions" => EXTENSIONS,
        _ => return None,
    };
    let plain = kind.replace('_', "");
    list.iter().find(|(name, _)| *name == plain).map(|(_, instead)| *instead)
}

/// Why an extension that is known elsewhere has nothing to do here; its section is taken, whatever is in it.
pub(crate) fn without_effect(section: &str, kind: &str) -> Option<&'static str> {
    let plain = kind.replace('_', "");
    let list = if section == "extensions" { WITHOUT_EFFECT } else { &[] };
    list.iter().find(|(name, _)| *name == plain).map(|(_, why)| *why)
}

/// What would do in the place of a section that is known elsewhere; `None` where the name is not known.
pub(crate) fn instead_of_section(name: &str) -> Option<&'static str> {
    (name == "connectors").then_some(
        "connectors are not available here yet; take the section out, and its names from `service.pipelines`",
    )
}

/// Name, in lower case and without underscores; what would do.
type Instead = (&'static str, &'static str);

const NOTHING: &str = "take it out here and from `service`";

const RECEIVERS: &[Instead] = &[
    ("jaeger", "only metrics are collected: take it out here and from `service.pipelines`"),
    ("zipkin", "only metrics are collected: take it out here and from `service.pipelines`"),
    ("filelog", "only metrics are collected: take it out here and from `service.pipelines`"),
    ("statsd", "push with OTLP"),
    ("nop", NOTHING),
    ("kubeletstats", NOTHING),
    ("k8scluster", NOTHING),
    ("receivercreator", "list the targets in `static_configs` of `prometheus`"),
];

const PROCESSORS: &[Instead] = &[
    (
        "resourcedetection",
        "set attributes with `resource`, such as \
         `{key: host.name, value: \"${file:/proc/sys/kernel/hostname}\", action: insert}`",
    ),
    ("transform", "use `attributes`, `resource`, `relabel` or `filter`"),
    ("metricstransform", "use `relabel`"),
    ("groupbyattrs", NOTHING),
    ("interval", NOTHING),
    ("metricsgeneration", NOTHING),
    ("k8sattributes", NOTHING),
];

const EXPORTERS: &[Instead] = &[
    ("file", "use `debug`"),
    ("nop", NOTHING),
    ("kafka", NOTHING),
    ("loadbalancing", "name several `otlp_grpc/NAME`"),
];

const EXTENSIONS: &[Instead] = &[
    ("oauth2client", "use `bearer_token_auth` with `filename`"),
    ("opamp", "take it out here and from `service.extensions`"),
    ("headerssetter", "write `headers` in the exporter"),
];

const WITHOUT_EFFECT: &[Instead] = &[
    ("pprof", "there are no profiles here"),
    ("zpages", "ask for the collector's own metrics at `service.telemetry.metrics`"),
    ("memoryballast", "no memory needs to be held back here"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_names_are_known() {
        for kind in ["resourcedetection", "resource_detection", "metricstransform"] {
            assert!(instead_of("processors", kind).is_some(), "{kind}");
        }
        assert!(without_effect("extensions", "z_pages").is_some());
        assert_eq!(without_effect("receivers", "zpages"), None);
        assert_eq!(instead_of("processors", "transfrom"), None);
        assert_eq!(instead_of("service", "transform"), None);
        assert!(instead_of_section("connectors").is_some());
        assert_eq!(instead_of_section("connector"), None);
    }
}
