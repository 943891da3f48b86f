use std::fmt::Write;

use super::*;

const TEXT: Syntax = Syntax { format: Format::Text, is_strict: false };
const OPENMETRICS: Syntax = Syntax { format: Format::OpenMetrics, is_strict: false };

fn show(line: &str, syntax: Syntax) -> String {
    let mut labels = Labels::new();
    let parsed = match parse_line(line.as_bytes(), syntax, &mut labels) {
        Ok(parsed) => parsed,
        Err(fault) => return format!("{}: {}", fault.at, fault.reason),
    };
    match parsed {
        Line::Blank => "blank".to_owned(),
        Line::Comment => "comment".to_owned(),
        Line::Eof => "eof".to_owned(),
        Line::Help { name, text } => format!("help {} [{}]", name.unescape(), text.unescape()),
        Line::Type { name, kind, .. } => format!("type {} {kind:?}", name.unescape()),
        Line::Unit { name, unit } => format!("unit {} [{unit}]", name.unescape()),
        Line::Sample(sample) => {
            let mut shown = sample.name.unescape().into_owned();
            for label in &labels {
                let _ = write!(shown, " {}={}", label.name.unescape(), label.value.unescape());
            }
            let _ = write!(shown, " -> {}", sample.tail.value);
            if let Some(timestamp) = sample.tail.timestamp {
                let _ = write!(shown, " @{timestamp}");
            }
            if let Some(exemplar) = &sample.tail.exemplar {
                let _ =
                    write!(shown, " #{} {} {:?}", exemplar.labels.len(), exemplar.value, exemplar.timestamp);
            }
            shown
        }
    }
}

#[track_caller]
fn check(line: &str, expected: &str) {
    assert_eq!(show(line, TEXT), expected, "{line:?}");
}

#[track_caller]
fn check_om(line: &str, expected: &str) {
    assert_eq!(show(line, OPENMETRICS), expected, "{line:?}");
}

#[test]
fn samples_of_the_text_format_are_read() {
    check("a 1", "a -> 1");
    check("vllm:kv_cache_usage_perc{engine=\"0\"} 0.25", "vllm:kv_cache_usage_perc engine=0 -> 0.25");
    check("a{} 1", "a -> 1");
    check("a{b=\"c\",} 1", "a b=c -> 1");
    check("a{b=\"c\"}1", "a b=c -> 1");
    check("  spaced  {  a = \"x\" ,\tb = \"y\"  }\t 6 \t", "spaced a=x b=y -> 6");
    check("a{b=\"}\",c=\"x,y=\\\"z\\\"\"} 2", "a b=} c=x,y=\"z\" -> 2");
    check("a{b=\"\\\\n\\n\\q\"} 2", "a b=\\n\n\\q -> 2");
    check("a 1 1795324390123", "a -> 1 @1795324390123000000");
    check("a 1 -1000", "a -> 1 @-1000000000");
    check("{\"gpu.util\",\"error.message\"=\"x\"} 1", "gpu.util error.message=x -> 1");
    check("{\"a\"} 1", "a -> 1");
    check("a{\"b.c\"=\"1\"} 1", "a b.c=1 -> 1");
    check("a{b=\"\u{0}é\"} 1", "a b=\u{0}é -> 1");
}

#[test]
fn values_are_read_as_go_reads_them() {
    check("a +7", "a -> 7");
    check("a -0", "a -> -0");
    check("a .5", "a -> 0.5");
    check("a 5.", "a -> 5");
    check("a 1.0", "a -> 1");
    check("a 1e3", "a -> 1000");
    check("a 9007199254740993", "a -> 9007199254740992");
    check("a 18446744073709551615", "a -> 18446744073709552000");
    check("a NaN", "a -> NaN");
    check("a Nan", "a -> NaN");
    check("a +Inf", "a -> inf");
    check("a -inf", "a -> -inf");
    check("a Infinity", "a -> inf");
    check("a 1_000", "2: expected a number, got `1_000`");
    check("a 0x1p-2", "2: expected a number, got `0x1p-2`");
    check("a 1e999", "2: expected a number, got `1e999`");
    check("a -NaN", "2: expected a number, got `-NaN`");
    check("a 1e", "2: expected a number, got `1e`");
    check("a 1 1.5", "4: expected a timestamp, got `1.5`");
    check("a 1 99999999999999999999", "4: expected a timestamp, got `99999999999999999999`");
}

#[test]
fn what_is_no_sample_says_what_is_wrong() {
    check("a", "1: expected one blank and a value");
    check("a ", "2: expected one blank and a value");
    check("a{b=\"c\"}", "8: expected one blank and a value");
    check("<html>", "0: expected a metric name");
    check("[{\"a\":1}]", "0: expected a metric name");
    check("a-b 1", "1: expected a metric name");
    check("{a=\"1\"} 1", "0: the sample has no metric name");
    check("{} 1", "0: the sample has no metric name");
    check("{\"a\",\"b\"} 1", "8: the sample has two metric names");
    check("a{b=\"c} 1", "4: the quoted text does not end on its line");
    check("a{b=\"c\\", "6: the quoted text does not end on its line");
    check("a{b=c} 1", "4: expected a quoted label value");
    check("a{1=\"c\"} 1", "2: expected a label name");
    check("a{b=\"c\"d=\"e\"} 1", "7: expected `,` or `}` after the label");
    check("a{b=\"1\",b=\"2\"} 1", "0: the label `b` is there twice");
    check("a 1\r", "2: a carriage return before the line feed: lines must end in a line feed alone");
    check("a 1 2 3", "6: something stands behind the sample");
    check("a 1 # {b=\"c\"} 1", "4: expected a timestamp, got `#`");
    let mut labels = Labels::new();
    let fault = parse_line(b"a{b=\"\xff\"} 1", TEXT, &mut labels).unwrap_err();
    assert_eq!(fault, Fault::new(5, Reason::Utf8));
}

#[test]
fn metadata_of_the_text_format_is_read() {
    check("", "blank");
    check(" \t", "blank");
    check("# a comment", "comment");
    check("#HELP", "comment");
    check("# HELP 1 x", "7: expected a metric name");
    check("# HELP a Help with \\\\ and \\n.", "help a [Help with \\ and \n.]");
    check("# HELP a", "help a []");
    check("# TYPE a  counter ", "type a Some(Counter)");
    check("# TYPE \"a.b\" gauge", "type a.b Some(Gauge)");
    check("# TYPE a unknown", "type a Some(Unknown)");
    check("# TYPE a info", "type a None");
    check("# TYPE a", "8: expected `# HELP`, `# TYPE` or `# UNIT` with a name and a text");
    check("# EOF", "comment");
    check("# UNIT a s", "comment");
}

#[test]
fn openmetrics_is_read_with_single_blanks() {
    check_om("# EOF", "eof");
    check_om("a 1", "a -> 1");
    check_om("a 1 1.5", "a -> 1 @1500000000");
    check_om("a 1 1795324390.123", "a -> 1 @1795324390123000000");
    check_om("a 1 -1", "a -> 1 @-1000000000");
    check_om("a 1 1e3", "a -> 1 @1000000000000");
    check_om("a_total 1 # {trace_id=\"x\"} 0.5", "a_total -> 1 #1 0.5 None");
    check_om("a_total 1 2 # {} 0.5 3", "a_total -> 1 @2000000000 #0 0.5 Some(3000000000)");
    check_om("a{b=\"} # \"} 1", "a b=} #  -> 1");
    check_om("# UNIT a_s s", "unit a_s [s]");
    check_om("# HELP a ", "help a []");
    check_om("", "0: an empty line, which OpenMetrics does not have");
    check_om("a  1", "2: expected one blank and a value");
    check_om("a 1 ", "4: something stands behind the sample");
    check_om("a 1 Inf", "4: expected a timestamp, got `Inf`");
    check_om("# a comment", "11: expected `# HELP`, `# TYPE` or `# UNIT` with a name and a text");
    check_om("# TYPE a gauge ", "9: `gauge ` is no metric type");
    check_om("a_total 1 #{} 1", "11: expected an exemplar such as ` # {trace_id=\"…\"} 1`");
}

#[test]
fn many_labels_on_a_line_are_read_in_reasonable_time_or_refused() {
    let mut line = "a{".to_owned();
    for index in 0..50_000 {
        let _ = write!(line, "l{index}=\"v\",");
    }
    line += "} 1";
    let mut labels = Labels::new();
    let strict = Syntax { is_strict: true, ..TEXT };
    assert!(parse_line(line.as_bytes(), strict, &mut labels).is_ok());
    assert_eq!(labels.len(), 50_000);
    let fault = parse_line(line.as_bytes(), TEXT, &mut labels).unwrap_err();
    assert_eq!(fault.reason, Reason::TooManyLabels);
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    fn escape(text: &str) -> String {
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut labels = Labels::new();
            let _ = parse_line(&bytes, TEXT, &mut labels);
            labels.clear();
            let _ = parse_line(&bytes, OPENMETRICS, &mut labels);
        }

        #[test]
        fn nearly_samples_never_panic(line in r#"[a-z{}="\\, #0-9.+é]{0,40}"#) {
            let mut labels = Labels::new();
            let _ = parse_line(line.as_bytes(), TEXT, &mut labels);
            labels.clear();
            let _ = parse_line(line.as_bytes(), OPENMETRICS, &mut labels);
        }

        #[test]
        fn what_is_rendered_is_read_back(
            name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,20}",
            values in prop::collection::vec(any::<String>(), 0..5),
            value in any::<f64>(),
            timestamp in prop::option::of(0..i64::MAX / 1_000_000),
        ) {
            let pairs: Vec<_> =
                values.iter().enumerate().map(|(i, v)| format!("l{i}=\"{}\"", escape(v))).collect();
            let at = timestamp.map(|t| format!(" {t}")).unwrap_or_default();
            let word = if value.is_nan() { "NaN".to_owned() } else { format!("{value:?}") };
            let line = format!("{name}{{{}}} {word}{at}", pairs.join(","));
            let mut labels = Labels::new();
            let Ok(Line::Sample(sample)) = parse_line(line.as_bytes(), TEXT, &mut labels) else {
                panic!("{line}");
            };
            prop_assert_eq!(sample.name.raw, name);
            prop_assert!(sample.tail.value == value || value.is_nan() && sample.tail.value.is_nan());
            prop_assert_eq!(sample.tail.timestamp, timestamp.map(|t| i128::from(t) * 1_000_000));
            let read: Vec<_> = labels.iter().map(|label| label.value.unescape().into_owned()).collect();
            prop_assert_eq!(read, values);
        }
    }
}
