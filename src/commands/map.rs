//! `inferometer map`: what dialects and a schema make of recorded metrics.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use config::{Problems, Section};
use pipeline::mapping::{Engine, Options, RUNNER};
use pipeline::otlp::{Decoder, encode_json};
use pipeline::{AnyValue, Attributes, Batch, Clock, Point, Registry, Resource, Series, notation};
use receivers::prometheus::{Format, read_once};

use super::{EXIT_USAGE, print};
use crate::cli::{Map, Recording, Rendering};
use crate::mappings;

/// Series that may be read and made.
const SERIES_MAX: usize = 1_000_000;

/// The largest file that is read.
const BYTES_MAX: u64 = 256 << 20;

const SERVICE: &str = "service.name";
const INSTANCE: &str = "service.instance.id";

/// What a page has besides the series does not concern a mapping.
const PAGE: &str = "{target_info: {enabled: false}, without_scope_info: true}";

/// The way of a batch: dialects, and a schema behind them.
struct Chain {
    dialects: Engine,
    schema: Option<Engine>,
}

/// What was read, and what is to be told about it.
#[derive(Default)]
struct Inputs {
    batches: Vec<Batch>,
    warnings: Vec<String>,
    errors: Vec<String>,
}

pub(crate) fn map(map: &Map) -> ExitCode {
    let registry = Arc::new(Registry::new(SERIES_MAX));
    let mut chain = match Chain::new(map, &registry) {
        Ok(chain) => chain,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let inputs = Inputs::read(map, &registry);
    for message in
        inputs.warnings.iter().map(|warning| format!("warning: {warning}")).chain(inputs.errors.clone())
    {
        eprintln!("{message}");
    }
    if !inputs.errors.is_empty() {
        return ExitCode::FAILURE;
    }
    let mut mapped = chain.tick();
    // As a receiver does: a series that nobody holds is gone.
    let _held = inputs.batches.clone();
    for mut batch in inputs.batches {
        chain.process(&mut batch);
        mapped.append(batch);
    }
    mapped.append(chain.tick());
    if registry.refused() > 0 {
        eprintln!("warning: more than {SERIES_MAX} series; {} were left out", registry.refused());
    }
    match render(&latest(mapped), map.output) {
        Ok(text) => print(&text),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

impl Chain {
    fn new(map: &Map, registry: &Arc<Registry>) -> Result<Self, Problems> {
        let engine = |mappings, keeps_originals| {
            Engine::new(mappings, Options { keeps_originals }, registry.clone(), Clock::system())
        };
        // A schema may also start from a runner's own names.
        let dialects = engine(mappings::dialects(&map.dialect)?, map.originals || map.schema.is_some());
        let schema = match &map.schema {
            Some(schema) => Some(engine(vec![mappings::schema(schema, &map.parameters)?], map.originals)),
            None => None,
        };
        Ok(Self { dialects, schema })
    }

    fn process(&mut self, batch: &mut Batch) {
        self.dialects.process(batch);
        if let Some(schema) = &mut self.schema {
            schema.process(batch);
        }
    }

    fn tick(&mut self) -> Batch {
        let mut batch = self.dialects.tick();
        if let Some(schema) = &mut self.schema {
            schema.process(&mut batch);
            batch.append(schema.tick());
        }
        batch
    }
}

impl Inputs {
    fn read(map: &Map, registry: &Arc<Registry>) -> Self {
        let mut inputs = Self::default();
        let standard_input = [Path::new("-").to_owned()];
        let files = if map.files.is_empty() { &standard_input[..] } else { &map.files };
        for path in files {
            let name =
                if path == Path::new("-") { String::from("stdin") } else { path.display().to_string() };
            match read(path) {
                Ok(body) => inputs.add(map, registry, &name, &body),
                Err(error) => inputs.errors.push(format!("{name}: cannot read the file: {error}")),
            }
        }
        inputs
    }

    fn add(&mut self, map: &Map, registry: &Arc<Registry>, name: &str, body: &[u8]) {
        let read = match map.input {
            Recording::Auto => recognize(body),
            recording => recording,
        };
        match read {
            Recording::OtlpJson => self.add_otlp(map, registry, name, body),
            Recording::Openmetrics => self.add_exposition(map, registry, (name, body), Format::OpenMetrics),
            Recording::Auto | Recording::Text => {
                self.add_exposition(map, registry, (name, body), Format::Text);
            }
        }
    }

    fn add_exposition(
        &mut self,
        map: &Map,
        registry: &Arc<Registry>,
        (name, body): (&str, &[u8]),
        format: Format,
    ) {
        let defaults = [(SERVICE.to_owned(), String::from("map")), (INSTANCE.to_owned(), name.to_owned())];
        let resource: Vec<_> = defaults.into_iter().chain(resource(map)).collect();
        match read_once(body, format, registry, &resource, Clock::system().unix_nano()) {
            Ok(recorded) => {
                self.batches.push(recorded.batch);
                let losses = recorded.losses.into_iter();
                self.warnings.extend(
                    losses.map(|(reason, lines)| format!("{name}: {lines} lines give no point: {reason}")),
                );
            }
            Err(error) => self.errors.push(format!("{name}:{}: {}", error.line, error.reason)),
        }
    }

    fn add_otlp(&mut self, map: &Map, registry: &Arc<Registry>, name: &str, body: &[u8]) {
        match Decoder::new(registry.clone()).decode_json(body) {
            Ok(decoded) => {
                if decoded.rejected > 0 {
                    self.warnings.push(format!(
                        "{name}: {} points are not valid: {}",
                        decoded.rejected, decoded.message
                    ));
                }
                self.batches.push(of_target(decoded.batch, registry, name, &resource(map)));
            }
            Err(error) => self.errors.push(format!("{name}: {error}")),
        }
    }
}

/// What every target's resource has: what was said of it, and the dialect where one was named.
fn resource(map: &Map) -> Vec<(String, String)> {
    let runner = match &map.dialect[..] {
        [one] if one != mappings::AUTO && one != mappings::NONE => Some((RUNNER.to_owned(), one.clone())),
        _ => None,
    };
    runner.into_iter().chain(map.resource.iter().cloned()).collect()
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let reader: Box<dyn Read> =
        if path == Path::new("-") { Box::new(std::io::stdin()) } else { Box::new(File::open(path)?) };
    let mut body = Vec::new();
    reader.take(BYTES_MAX + 1).read_to_end(&mut body)?;
    if body.len() as u64 > BYTES_MAX {
        return Err(std::io::Error::other(format!("it is larger than {} MiB", BYTES_MAX >> 20)));
    }
    Ok(body)
}

/// What a body is, by its first sign and its last line.
fn recognize(body: &[u8]) -> Recording {
    let trimmed = body.trim_ascii();
    if trimmed.starts_with(b"{") {
        Recording::OtlpJson
    } else if trimmed.ends_with(b"# EOF") {
        Recording::Openmetrics
    } else {
        Recording::Text
    }
}

/// The points with these attributes over those of their resources, which tell one file from another.
fn of_target(batch: Batch, registry: &Registry, file: &str, over: &[(String, String)]) -> Batch {
    let mut resources: HashMap<Arc<Resource>, Arc<Resource>> = HashMap::new();
    let mut mapped = Batch::with_capacity(batch.len());
    for mut point in batch {
        let series = &point.series;
        let resource = resources.entry(series.resource().clone()).or_insert_with(|| {
            let own = series.resource();
            let instance = (INSTANCE.to_owned(), AnyValue::from(file));
            let over = over.iter().map(|(key, value)| (key.clone(), AnyValue::from(value.as_str())));
            let pairs = std::iter::once(instance).chain(own.attributes.to_pairs()).chain(over);
            registry.resource(Resource { attributes: Attributes::new(pairs), ..Resource::clone(own) })
        });
        // Where there is no room for another series, the registry counts it.
        if let Ok(series) =
            registry.series(resource, series.scope(), series.metric(), series.attributes().clone())
        {
            point.series = series;
            mapped.push(point);
        }
    }
    mapped
}

/// The last point of each series that has not ended, in the order in which the series came.
fn latest(batch: Batch) -> Batch {
    let mut places: HashMap<Series, usize> = HashMap::new();
    let mut points: Vec<Point> = Vec::new();
    for point in batch {
        if let Some(place) = places.get(&point.series) {
            points[*place] = point;
        } else {
            places.insert(point.series.clone(), points.len());
            points.push(point);
        }
    }
    points.into_iter().filter(|point| !point.is_stale()).collect()
}

fn render(batch: &Batch, output: Rendering) -> Result<String, String> {
    match output {
        Rendering::Notation => Ok(notation::write(batch)),
        Rendering::Text => {
            let section = Section::from_yaml("", PAGE).map_err(|problems| problems.to_string())?;
            exporters::prometheus_page(batch, &section).map_err(|problems| problems.to_string())
        }
        Rendering::OtlpJson => {
            let mut json = Vec::new();
            encode_json(batch, &mut json);
            json.push(b'\n');
            String::from_utf8(json).map_err(|error| error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_known_by_its_first_sign_and_its_last_line() {
        assert_eq!(recognize(b"\n {\"resourceMetrics\": []}"), Recording::OtlpJson);
        assert_eq!(recognize(b"a 1\n# EOF\n"), Recording::Openmetrics);
        assert_eq!(recognize(b"a{b=\"# EOF\"} 1\n"), Recording::Text);
        assert_eq!(recognize(b""), Recording::Text);
    }

    #[test]
    fn the_last_point_of_a_series_that_lives_is_printed() {
        let registry = Registry::new(10);
        let batch =
            notation::parse("gauge a = 1\ngauge b = 1\ngauge a = 2\ngauge b = stale", &registry).unwrap();
        assert_eq!(notation::write(&latest(batch)), "gauge a = 2\n");
    }

    #[test]
    fn pushed_points_tell_their_file_unless_they_tell_more() {
        let registry = Registry::new(10);
        let text = "resource {a=\"1\"}\ngauge x = 1\nresource {service.instance.id=\"own\"}\ngauge x = 1";
        let batch = notation::parse(text, &registry).unwrap();
        let over = [(String::from("a"), String::from("2"))];
        let expected = "resource {a=\"2\",service.instance.id=\"f\"}\ngauge x = 1\nresource {a=\"2\",service.instance.id=\"own\"}\ngauge x = 1\n";
        assert_eq!(notation::write(&of_target(batch, &registry, "f", &over)), expected);
    }
}
