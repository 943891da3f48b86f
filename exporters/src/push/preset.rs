//! What known backends want of those who push to them, as defaults that a section's own keys override.

use std::fmt;

use config::{Problems, Section, Value};
use http::Uri;
use serde::{Deserialize, Serialize};

/// The `preset` key: a backend whose needs are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Preset {
    GrafanaCloud,
    Mimir,
    Prometheus,
    #[serde(rename = "victoriametrics")]
    VictoriaMetrics,
}

/// How points get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    OtlpHttp,
    RemoteWrite,
}

impl Preset {
    /// The section over the defaults of the preset it names; the section itself where it names none.
    pub(crate) fn under(section: &Section, way: Way) -> Result<Section, Problems> {
        // A name that does not exist is reported when the whole section is read.
        match section.section("preset").read::<Option<Self>>() {
            Ok(Some(preset)) => section.over(&format!("preset {preset}"), preset.defaults(way)),
            _ => Ok(section.clone()),
        }
    }

    /// YAML of keys that every exporter with this way has.
    fn defaults(self, way: Way) -> &'static str {
        match (self, way) {
            // Stacks have limits of their own, below Mimir's, and none is told before it is met.
            (Self::GrafanaCloud, Way::OtlpHttp) => {
                "{max_request_size: 4MiB, when_too_large: split, delta: drop, \
                 retry_statuses: [429, 502, 503, 504, 529]}"
            }
            // 529 is what it answers instead of 429 where it is told to.
            (Self::Mimir, Way::OtlpHttp) => {
                "{max_request_size: 64MiB, when_too_large: split, delta: drop, \
                 retry_statuses: [429, 502, 503, 504, 529]}"
            }
            // It reads 32 MiB and takes what follows for not there. What it cannot store now is a 500.
            (Self::Prometheus, Way::OtlpHttp) => {
                "{max_request_size: 32MiB, when_too_large: split, delta: drop, \
                 retry_statuses: [429, 500, 502, 503, 504]}"
            }
            (Self::VictoriaMetrics, Way::OtlpHttp) => {
                "{max_request_size: 64MiB, when_too_large: split, delta: drop, \
                 retry_statuses: [429, 502, 503, 504]}"
            }
            (_, Way::RemoteWrite) => "{when_too_large: split}",
        }
    }

    /// The URL with the backend's own path, where it has none.
    pub(crate) fn endpoint(self, endpoint: &str, way: Way) -> String {
        let is_bare = endpoint.parse::<Uri>().is_ok_and(|url| {
            url.scheme().is_some() && url.query().is_none() && matches!(url.path(), "" | "/")
        });
        if is_bare && !endpoint.contains('#') {
            format!("{}{}", endpoint.trim_end_matches('/'), self.path(way))
        } else {
            endpoint.to_owned()
        }
    }

    /// An effective section with its `endpoint` as requests go to it.
    pub(crate) fn complete(preset: Option<Self>, value: Value, way: Way) -> Value {
        let (Some(preset), Value::Dict(tag, mut dict)) = (preset, value.clone()) else { return value };
        if let Some(endpoint) = dict.get("endpoint").and_then(Value::as_str).map(ToOwned::to_owned) {
            dict.insert(String::from("endpoint"), preset.endpoint(&endpoint, way).into());
        }
        Value::Dict(tag, dict)
    }

    /// For OTLP what stands before `/v1/metrics`, for remote write all of it.
    fn path(self, way: Way) -> &'static str {
        match (self, way) {
            (Self::GrafanaCloud | Self::Mimir, Way::OtlpHttp) => "/otlp",
            (Self::Prometheus, Way::OtlpHttp) => "/api/v1/otlp",
            (Self::VictoriaMetrics, Way::OtlpHttp) => "/opentelemetry",
            (Self::GrafanaCloud, Way::RemoteWrite) => "/api/prom/push",
            (Self::Mimir, Way::RemoteWrite) => "/api/v1/push",
            (Self::Prometheus | Self::VictoriaMetrics, Way::RemoteWrite) => "/api/v1/write",
        }
    }

    /// Whether it stores the other points of a request that it answers with 400 because of some.
    ///
    /// Then a second attempt would find those that are stored to be too late, and dividing a request of Remote Write
    /// would send each point many times, at the cost of the tenant's rate.
    pub(crate) fn stores_the_rest(self) -> bool {
        matches!(self, Self::GrafanaCloud | Self::Mimir)
    }

    /// What is wrong with a request that has no more than these credentials.
    pub(crate) fn unauthorized(self, has_authorization: bool) -> Option<&'static str> {
        (self == Self::GrafanaCloud && !has_authorization).then_some(
            "Grafana Cloud wants credentials: expected the id of a `basic_auth` extension, with the stack's instance \
             id as `client_auth.username` and an access policy's token (scope `metrics:write`) as \
             `client_auth.password`",
        )
    }

    /// What may be missing, but need not be.
    pub(crate) fn doubt(self, has_tenant: bool, has_authorization: bool) -> Option<&'static str> {
        (self == Self::Mimir && !has_tenant && !has_authorization).then_some(
            "no header `X-Scope-OrgID` and no credentials: Mimir takes that only with `multitenancy_enabled: false`",
        )
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GrafanaCloud => "grafana_cloud",
            Self::Mimir => "mimir",
            Self::Prometheus => "prometheus",
            Self::VictoriaMetrics => "victoriametrics",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_gets_the_backends_path_and_a_path_stays() {
        let check = |preset: Preset, way: Way, endpoint: &str, expected: &str| {
            assert_eq!(preset.endpoint(endpoint, way), expected);
        };
        let otlp = Way::OtlpHttp;
        check(Preset::Mimir, otlp, "http://mimir:9009", "http://mimir:9009/otlp");
        check(Preset::Mimir, otlp, "http://mimir:9009/", "http://mimir:9009/otlp");
        check(Preset::Mimir, otlp, "http://gate/mimir/otlp", "http://gate/mimir/otlp");
        check(Preset::Prometheus, otlp, "http://[::1]:9090", "http://[::1]:9090/api/v1/otlp");
        check(Preset::VictoriaMetrics, otlp, "http://vm:8428", "http://vm:8428/opentelemetry");
        check(Preset::GrafanaCloud, otlp, "https://a.grafana.net", "https://a.grafana.net/otlp");
        check(Preset::GrafanaCloud, otlp, "https://a.grafana.net/?b=c", "https://a.grafana.net/?b=c");
        check(Preset::Mimir, otlp, "mimir:9009", "mimir:9009");
        check(Preset::Mimir, otlp, "", "");
        let write = Way::RemoteWrite;
        check(Preset::GrafanaCloud, write, "https://a.grafana.net", "https://a.grafana.net/api/prom/push");
        check(Preset::Mimir, write, "http://mimir", "http://mimir/api/v1/push");
        check(Preset::Prometheus, write, "http://p:9090", "http://p:9090/api/v1/write");
        check(Preset::VictoriaMetrics, write, "http://vm:8428/x", "http://vm:8428/x");
    }
}
