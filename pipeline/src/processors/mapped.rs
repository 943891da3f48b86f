//! An engine of mappings as a processor.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::Batch;
use crate::component::{BatchProcessor, Context, Processor};
use crate::mapping::compiled::Mapping;
use crate::mapping::{Engine, Options};

/// The engine; whoever asks about it finds it in the context's mappings, as long as this lives.
pub(super) struct Mapped {
    engine: Arc<Mutex<Engine>>,
}

impl Mapped {
    pub(super) fn processor(mappings: Vec<Arc<Mapping>>, options: Options, context: &Context) -> Processor {
        let engine = Engine::new(mappings, options, context.registry.clone(), context.clock.clone());
        let engine = Arc::new(Mutex::new(engine));
        context.mappings.add(&context.id, &engine);
        Processor::Batch(Box::new(Self { engine }))
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BatchProcessor for Mapped {
    fn process(&mut self, batch: &mut Batch) {
        self.engine().process(batch);
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
    use super::*;
    use crate::clock::Clock;
    use crate::registry::Registry;

    #[test]
    fn an_engine_is_known_as_long_as_its_processor_lives() {
        let context = Context {
            id: "schema/mine".to_owned(),
            registry: Arc::new(Registry::new(10)),
            clock: Clock::starting_at(0),
            meter: opentelemetry::global::meter("test"),
            net: Arc::default(),
            mappings: Arc::default(),
        };
        let processor = Mapped::processor(Vec::new(), Options::default(), &context);
        let engines = context.mappings.engines();
        assert_eq!(engines.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["schema/mine"]);
        drop((processor, engines));
        assert!(context.mappings.engines().is_empty());
    }
}
