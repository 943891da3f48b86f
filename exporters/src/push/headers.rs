//! Headers that a person adds to requests; their values are secrets.

use std::fmt;

use config::{Problem, Secret, Section};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The `headers` key: a map, or a list of `{name, value}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(String, Secret)>);

/// One header of the list form.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    #[serde(default)]
    value: Secret,
}

impl Headers {
    /// Makes them what is sent. `reserved` are those an exporter writes itself.
    pub(crate) fn build(&self, section: &Section, reserved: &[&str]) -> Result<HeaderMap, Vec<Problem>> {
        self.to_map(reserved).map_err(|problems| {
            let problem = |(name, message)| section.problem(&format!("headers.{name}"), message);
            problems.into_iter().map(problem).collect()
        })
    }

    /// The same, with what is wrong as names of headers and texts.
    pub fn to_map(&self, reserved: &[&str]) -> Result<HeaderMap, Vec<(String, &'static str)>> {
        let mut headers = HeaderMap::new();
        let mut problems = Vec::new();
        for (name, value) in &self.0 {
            let mut report = |message| problems.push((name.clone(), message));
            let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
                report("expected a header name of letters, digits and `-`");
                continue;
            };
            if reserved.contains(&header.as_str()) || header.as_str().starts_with("grpc-") {
                report("this header is written by the exporter and cannot be replaced");
            } else if let Ok(mut value) = HeaderValue::from_str(value.reveal()) {
                value.set_sensitive(true);
                headers.append(header, value);
            } else {
                report("expected a value of visible ASCII characters on one line");
            }
        }
        if problems.is_empty() { Ok(headers) } else { Err(problems) }
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of headers, or a list of `{name, value}`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(header) = map.next_entry()? {
                    headers.push(header);
                }
                Ok(Headers(headers))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(Header { name, value }) = list.next_element()? {
                    headers.push((name, value));
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::shown;

    #[track_caller]
    fn check(yaml: &str, expected: Result<&[(&str, &str)], &[&str]>) {
        let section = Section::from_yaml("exporters.x", yaml).unwrap();
        let headers: Headers = section.read().unwrap();
        match (headers.build(&section, &["content-type"]), expected) {
            (Ok(built), Ok(expected)) => {
                let built: Vec<_> = built.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
                assert_eq!(built, expected);
            }
            (Err(problems), Err(expected)) => {
                let texts: Vec<_> = problems.iter().map(shown).collect();
                assert_eq!(texts, expected);
            }
            (built, _) => panic!("{yaml}: {built:?}"),
        }
    }

    #[test]
    fn a_map_and_a_list_are_read() {
        check("{X-Scope-OrgID: tenant}", Ok(&[("x-scope-orgid", "tenant")]));
        check("[{name: Authorization, value: Basic dTpw}]", Ok(&[("authorization", "Basic dTpw")]));
        check("{X-Scope-OrgID: 007}", Ok(&[("x-scope-orgid", "007")]));
        check("[{name: a, value: 1}]", Ok(&[("a", "1")]));
        check("{}", Ok(&[]));
    }

    #[test]
    fn what_cannot_be_sent_is_a_problem_without_its_value() {
        let section = "exporters.x.headers.";
        let reserved = "this header is written by the exporter and cannot be replaced";
        check(
            "{'a b': hunter2, Content-Type: hunter2, Grpc-Timeout: hunter2, ok: \"hunter2\\n\"}",
            Err(&[
                &format!("{section}a b: expected a header name of letters, digits and `-`"),
                &format!("{section}Content-Type: {reserved}"),
                &format!("{section}Grpc-Timeout: {reserved}"),
                &format!("{section}ok: expected a value of visible ASCII characters on one line"),
            ]),
        );
    }

    #[test]
    fn values_do_not_print() {
        let section = Section::from_yaml("", "{Authorization: hunter2}").unwrap();
        let headers: Headers = section.read().unwrap();
        assert!(!format!("{headers:?}").contains("hunter2"));
        assert_eq!(serde_json::to_string(&headers).unwrap(), r#"{"Authorization":"<redacted>"}"#);
        assert!(!format!("{:?}", headers.build(&section, &[]).unwrap()).contains("hunter2"));
    }
}
