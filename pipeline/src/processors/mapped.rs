//! An engine of mappings as a processor.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::Batch;
use crate::component::{BatchProcessor, Context, Processor};
use crate::mapping::compiled::Mapping;
use crate::mapping::{Engine, Options};
use crate::telemetry::ProcessorMetrics;

/// The engine; whoever asks about it finds it in the context's mappings, as long as this lives.
pub(super) struct Mapped {
    engine: Arc<Mutex<Engine>>,
    metrics: ProcessorMetrics,
}

impl Mapped {
    pub(super) fn processor(mappings: Vec<Arc<Mapping>>, options: Options, context: &Context) -> Processor {
        let engine = Engine::new(mappings, options, context.registry.clone(), context.clock.clone());
        let engine = Arc::new(Mutex::new(engine));
        context.mappings.add(&context.id, &engine);
        let metrics = ProcessorMetrics::new(&context.meter, &context.id);
        Processor::Batch(Box::new(Self { engine, metrics }))
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BatchProcessor for Mapped {
    fn process(&mut self, batch: &mut Batch) {
        let left_out = {
            let mut engine = self.engine();
            engine.process(batch);
            engine.left_out()
        };
        self.metrics.dropped(left_out.conflicts, "conflict");
        self.metrics.dropped(left_out.full, "series_limit");
    }

    fn tick(&mut self) -> Batch {
        self.engine().tick()
    }

    fn sweep(&mut self) {
        self.engine().sweep();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clock::Clock;
    use crate::mapping::load;
    use crate::notation;
    use crate::registry::Registry;
    use crate::telemetry::Meter;
    use crate::telemetry::ledger::Ledger;

    fn context(meter: Meter) -> Context {
        Context {
            id: "schema/mine".to_owned(),
            registry: Arc::new(Registry::new(10)),
            clock: Clock::starting_at(0),
            meter,
            net: Arc::default(),
            mappings: Arc::default(),
            storages: Arc::default(),
        }
    }

    #[test]
    fn an_engine_is_known_as_long_as_its_processor_lives() {
        let context = context(Ledger::default().meter());
        let processor = Mapped::processor(Vec::new(), Options::default(), &context);
        let engines = context.mappings.engines();
        assert_eq!(engines.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["schema/mine"]);
        drop((processor, engines));
        assert!(context.mappings.engines().is_empty());
    }

    #[test]
    fn what_a_mapping_could_not_use_is_counted() {
        let text = "mapping: mine\nkind: schema\nabout: x.\nrules:\n\
            - {metric: u, type: gauge, unit: '1', help: h., from: {metric: up}, labels: {host: host}}\n";
        let mapping = load("mine.yaml", text, &BTreeMap::new()).unwrap().mapping;
        let ledger = Ledger::default();
        let context = context(ledger.meter());
        let Processor::Batch(mut processor) =
            Mapped::processor(vec![Arc::new(mapping)], Options::default(), &context)
        else {
            panic!("a mapping works on batches")
        };
        let mut batch = notation::parse("gauge up{a=1} = 1\ngauge up{a=2} = 1", &context.registry).unwrap();
        let held = batch.clone();
        processor.process(&mut batch);
        let dropped = |reason| {
            ledger
                .sum(&format!("inferometer_processor_dropped_metric_points{{schema/mine,metrics,{reason}}}"))
        };
        assert_eq!((batch.len(), dropped("conflict"), dropped("series_limit")), (1, 1, 0));
        context.registry.limit(held.len() + 1);
        let mut more = notation::parse("gauge up{a=1,host=\"h\"} = 1", &Registry::new(9)).unwrap();
        processor.process(&mut more);
        assert_eq!((more.len(), dropped("series_limit")), (0, 1));
    }
}
