use std::io::{self, Write};
use std::sync::mpsc::{Receiver, channel};

use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use pipeline::{Clock, Registry};

use super::*;

const POINTS: &str = "resource {service.name=\"n\"}\nabout \"A.\"\ngauge a{x=1} = 1\ngauge a{x=2} = 2\n";

fn points(text: &str) -> Batch {
    notation::parse(text, &Registry::new(100)).unwrap()
}

fn context() -> Context {
    Context {
        id: "debug".to_owned(),
        registry: Arc::new(Registry::new(10)),
        clock: Clock::system(),
        meter: NoopMeterProvider::new().meter("test").into(),
        net: Arc::default(),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

#[test]
fn each_verbosity_prints_more() {
    assert_eq!(render(&points(POINTS), Verbosity::Basic), "2 points, 1 metric, 1 resource\n");
    assert_eq!(render(&points(POINTS), Verbosity::Normal), "gauge a{x=1} = 1\ngauge a{x=2} = 2\n");
    assert_eq!(render(&points(POINTS), Verbosity::Detailed), POINTS);
}

#[test]
fn the_examples_are_read_and_older_keys_mean_newer_ones() {
    for entry in [ENTRY, LOGGING] {
        let section = Section::from_yaml("e", entry.example).unwrap();
        assert!((entry.build)(&section, &context()).is_ok());
        assert!((entry.effective)(&section).is_ok());
    }
    let verbosity = |text: &str| {
        let config: LoggingConfig = Section::from_yaml("e", text).unwrap().read().unwrap();
        Config::from(config).verbosity
    };
    assert_eq!(verbosity("loglevel: debug"), Verbosity::Detailed);
    assert_eq!(verbosity(""), Verbosity::Normal);
    assert_eq!(verbosity("loglevel: warn"), Verbosity::Basic);
    assert_eq!(verbosity("loglevel: debug\nverbosity: basic"), Verbosity::Basic);
    assert!(Section::from_yaml("e", "verbosity: loud").unwrap().read::<Config>().is_err());
}

/// Writes when it is told to, as a terminal may.
struct Slow {
    go: Receiver<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.go.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.written.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_terminal_that_takes_nothing_holds_up_nobody() {
    let (tell, go) = channel();
    let written = Arc::new(Mutex::new(Vec::new()));
    let mut printer = Printer::start_with(Slow { go, written: written.clone() }).unwrap();
    let long = "x".repeat(10 << 20);
    for _ in 0..10 {
        printer.print(long.clone());
    }
    // The first is being printed and counts until it is; a second one does not fit beside it.
    tell.send(()).unwrap();
    drop(tell);
    printer.stop().await;
    assert_eq!(written.lock().unwrap().len(), long.len());
}

#[tokio::test]
async fn a_broken_pipe_ends_printing_and_nothing_else() {
    let (tell, go) = channel();
    drop(tell);
    let mut printer = Printer::start_with(Slow { go, written: Arc::default() }).unwrap();
    for _ in 0..100 {
        printer.print("text\n".to_owned());
    }
    printer.stop().await;
}
