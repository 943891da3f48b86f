//! What is asked, and what must be answered.

use std::collections::BTreeMap;

use serde_json::Value;

/// What of a rate may be lost or won by the moments at which things are read.
const TOLERANCE: f64 = 0.15;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Exactly(f64),
    /// A rate, or what is made of rates.
    About(f64),
    /// Nothing was counted that could be divided by.
    Nothing,
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// These series and no others, by their labels but for those that the scrape adds.
    Series(Vec<(String, Number)>),
    /// Some series, each of at least this.
    EachAtLeast(f64),
}

#[derive(Debug)]
pub(crate) struct Question {
    /// With the variables filled in, but for the window.
    pub(crate) expression: String,
    /// As it stands in the document or the dashboard.
    pub(crate) written: String,
    answer: Answer,
    /// The labels that are compared; all where it is none.
    compared: Option<&'static [&'static str]>,
    /// Where several pages have a metric of one name: the job of the page that is meant.
    job: &'static str,
}

impl Question {
    pub(crate) fn new(job: &'static str, expression: &str, answer: Answer) -> Self {
        let written = expression.to_owned();
        Self { expression: written.clone(), written, answer, compared: None, job }
    }

    /// Fills in a variable of a dashboard.
    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.expression = self.expression.replace(variable, value);
        self
    }

    /// Compares nothing but these labels.
    pub(crate) fn by(self, labels: &'static [&'static str]) -> Self {
        Self { compared: Some(labels), ..self }
    }

    pub(crate) fn fault(&self, values: &[(Value, f64)]) -> Option<String> {
        let found = self.keyed(values);
        let is_right = match &self.answer {
            Answer::EachAtLeast(least) => !found.is_empty() && found.iter().all(|(_, value)| value >= least),
            Answer::Series(expected) => {
                let is_found = |(key, number): &(String, Number)| {
                    found.iter().any(|(other, value)| key == other && number.is(*value))
                };
                let is_expected = |key: &String| expected.iter().any(|(other, _)| other == key);
                let more = found.iter().filter(|(key, _)| !is_expected(key));
                let is_rate = expected.iter().any(|(_, number)| matches!(number, Number::About(_)));
                // What a source had counted before a better one came stays where it was.
                let has_stopped = |(_, value): &(String, f64)| is_rate && (*value == 0.0 || value.is_nan());
                expected.iter().all(is_found) && more.into_iter().all(has_stopped)
            }
        };
        (!is_right).then(|| format!("expected {:?}, found {found:?}", self.answer))
    }

    /// Series that are missing, whatever the values are.
    pub(crate) fn series_fault(&self, values: &[(Value, f64)]) -> Option<String> {
        let Answer::Series(expected) = &self.answer else { return None };
        let found: Vec<String> = self.keyed(values).into_iter().map(|(key, _)| key).collect();
        let is_complete = expected.iter().all(|(key, _)| found.contains(key));
        (!is_complete).then(|| format!("expected the series of {expected:?}, found {found:?}"))
    }

    fn keyed(&self, values: &[(Value, f64)]) -> Vec<(String, f64)> {
        let is_meant = |labels: &Value| labels["job"].is_null() || labels["job"] == self.job;
        let meant = values.iter().filter(|(labels, _)| self.job.is_empty() || is_meant(labels));
        meant.map(|(labels, value)| (self.key(labels), *value)).collect()
    }

    fn key(&self, labels: &Value) -> String {
        let labels: BTreeMap<&String, &Value> = labels.as_object().into_iter().flatten().collect();
        let is_compared = |name: &str| match self.compared {
            Some(compared) => compared.contains(&name),
            None => !["__name__", "job", "instance"].contains(&name),
        };
        let pairs = labels.iter().filter(|(name, _)| is_compared(name));
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    }
}

impl Number {
    fn is(self, found: f64) -> bool {
        match self {
            Self::Exactly(value) => (found - value).abs() <= 1e-9 * value.abs(),
            Self::About(value) => (found - value).abs() <= TOLERANCE * value.abs(),
            Self::Nothing => found.is_nan(),
        }
    }
}

pub(crate) fn exactly(series: &[(&str, f64)]) -> Answer {
    Answer::Series(series.iter().map(|(key, value)| ((*key).to_owned(), Number::Exactly(*value))).collect())
}

pub(crate) fn about(series: &[(&str, f64)]) -> Answer {
    Answer::Series(series.iter().map(|(key, value)| ((*key).to_owned(), Number::About(*value))).collect())
}

pub(crate) fn at_least(value: f64) -> Answer {
    Answer::EachAtLeast(value)
}

#[test]
fn an_answer_is_right_only_with_all_its_series_and_values() {
    let labels = |status: &str| serde_json::json!({"__name__": "a", "job": "j", "status": status});
    let question = Question::new("j", "a", about(&[("status=\"200\"", 4.0)]));
    assert_eq!(question.fault(&[(labels("200"), 4.5)]), None);
    assert!(question.fault(&[(labels("200"), 4.7)]).is_some(), "too much");
    assert!(question.fault(&[(labels("500"), 4.0)]).is_some(), "another series");
    assert!(question.fault(&[(labels("200"), 4.0), (labels("500"), 4.0)]).is_some(), "one more series");
    assert_eq!(question.fault(&[(labels("200"), 4.0), (labels("500"), 0.0)]), None);
    let question_of_gauges = Question::new("j", "a", exactly(&[("status=\"200\"", 4.0)]));
    let more = [(labels("200"), 4.0), (labels("500"), 0.0)];
    assert!(question_of_gauges.fault(&more).is_some(), "one more gauge");
    assert!(question.fault(&[]).is_some(), "nothing");
    assert_eq!(question.series_fault(&[(labels("200"), 0.1)]), None);
    assert!(question.series_fault(&[]).is_some(), "nothing");
}
