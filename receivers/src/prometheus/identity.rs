//! From a sample's name and labels to its series: the target's labels, relabelling, limits, resource.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use pipeline::relabel::{self, Rules};
use pipeline::{AnyValue, Attributes, Full, Kind, Metric, Registry, Resource, Scope, Series, Temporality};
use smallvec::SmallVec;

use super::family::{Family, TARGET_INFO};
use super::text::{self, Label, Reason, Type};

/// Who a target is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Identity {
    /// What every series of the target carries, `job` and `instance` among them.
    pub(crate) labels: Vec<(String, String)>,
    /// Labels for series that do not have them after relabelling.
    pub(crate) external: Vec<(String, String)>,
    /// `server.address` and its like.
    pub(crate) resource: Vec<(String, AnyValue)>,
    pub(crate) honor_labels: bool,
}

/// How many and how long labels may be; 0 is without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LabelLimits {
    pub(crate) count: usize,
    pub(crate) name_length: usize,
    pub(crate) value_length: usize,
}

/// Names and values, in no order, no name twice.
pub(crate) type Pairs<'a> = SmallVec<[(Cow<'a, str>, Cow<'a, str>); 8]>;

/// A sample as it is called after relabelling.
#[derive(Debug)]
pub(crate) struct Named<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) labels: Pairs<'a>,
}

/// What a series' metric is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Type,
    pub(crate) family: &'a Family,
}

/// A job and an instance.
type Key = (String, String);

/// Makes series for one target.
#[derive(Debug)]
pub(crate) struct Resolver {
    registry: Arc<Registry>,
    identity: Arc<Identity>,
    rules: Arc<Rules>,
    limits: LabelLimits,
    /// What `target_info` said, by job and instance.
    infos: HashMap<Key, Vec<(String, String)>>,
    resources: HashMap<Key, Arc<Resource>>,
    /// The resource asked for last, nearly always the target's only one.
    last_resource: Option<(Key, Arc<Resource>)>,
    scope: Arc<Scope>,
    /// The metric made last: its series mostly come one after the other.
    metric: Option<(Type, Arc<Metric>)>,
    /// Nobody held the series made last before.
    is_new: bool,
}

/// What a scraped label is called when the target's own has its name.
const EXPORTED: &str = "exported_";
const SCOPE: &str = "otel_scope_";

impl Identity {
    /// The same for the same target, whenever it is asked: its series have the same identity.
    pub(crate) fn key(&self) -> String {
        format!("{self:?}")
    }

    fn add_labels<'a>(&'a self, pairs: &mut Pairs<'a>) {
        let scraped = pairs.len();
        for (name, value) in &self.labels {
            match pairs[..scraped].iter().position(|(other, _)| other == name) {
                Some(_) if self.honor_labels => continue,
                Some(place) => pairs[place].0 = Cow::Owned(self.free_name(name, pairs)),
                None => {}
            }
            pairs.push((Cow::Borrowed(name), Cow::Borrowed(value)));
        }
    }

    fn free_name(&self, name: &str, pairs: &Pairs<'_>) -> String {
        let mut exported = format!("{EXPORTED}{name}");
        while pairs.iter().any(|(other, _)| *other == exported)
            || self.labels.iter().any(|(other, _)| *other == exported)
        {
            exported.insert_str(0, EXPORTED);
        }
        exported
    }
}

impl Resolver {
    pub(crate) fn new(
        registry: Arc<Registry>,
        identity: Identity,
        rules: Arc<Rules>,
        limits: LabelLimits,
    ) -> Self {
        let scope = Scope {
            name: "inferometer/receivers/prometheus".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Scope::default()
        };
        let scope = registry.scope(scope);
        Self {
            registry,
            identity: Arc::new(identity),
            rules,
            limits,
            infos: HashMap::new(),
            resources: HashMap::new(),
            last_resource: None,
            scope,
            metric: None,
            is_new: false,
        }
    }

    /// Whether nobody held the series made last before.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    pub(crate) fn identity(&self) -> Arc<Identity> {
        self.identity.clone()
    }

    /// Adds the labels of `identity`, which is the target's, and relabels; `None` where a rule drops the
    /// sample.
    pub(crate) fn name<'a>(
        &self,
        identity: &'a Identity,
        name: text::Text<'a>,
        labels: &[Label<'a>],
    ) -> Result<Option<Named<'a>>, Reason> {
        let mut pairs = Pairs::new();
        for label in labels {
            let (name, value) = (label.name.unescape(), label.value.unescape());
            if name == "__name__" {
                return Err(Reason::DuplicateLabel("__name__".to_owned()));
            }
            // An empty label is one that is not there.
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        identity.add_labels(&mut pairs);
        let mut named = Named { name: name.unescape(), labels: pairs };
        if !self.rules.is_empty() {
            let Some(relabelled) = self.relabel(&named)? else { return Ok(None) };
            named = relabelled;
        }
        for (name, value) in &identity.external {
            if !named.labels.iter().any(|(other, _)| other == name) {
                named.labels.push((Cow::Borrowed(name), Cow::Borrowed(value)));
            }
        }
        self.check_limits(&named)?;
        Ok(Some(named))
    }

    fn relabel<'a>(&self, named: &Named<'a>) -> Result<Option<Named<'a>>, Reason> {
        let mut labels = relabel::Labels::new();
        let mut pairs: SmallVec<[(&str, &str); 16]> =
            named.labels.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        pairs.push(("__name__", named.name.as_ref()));
        // In order, so that each goes behind the last: a line may have many.
        pairs.sort_unstable();
        for (name, value) in pairs {
            labels.set(name, value);
        }
        if !self.rules.apply(&mut labels) {
            return Ok(None);
        }
        let Some(name) = labels.remove("__name__").filter(|name| !name.is_empty()) else {
            return Err(Reason::Rule("relabelling left a sample without a metric name".to_owned()));
        };
        let pairs = labels.iter();
        let labels =
            pairs.map(|(name, value)| (Cow::Owned(name.to_owned()), Cow::Owned(value.to_owned()))).collect();
        Ok(Some(Named { name: Cow::Owned(name), labels }))
    }

    fn check_limits(&self, named: &Named<'_>) -> Result<(), Reason> {
        if self.limits == LabelLimits::default() {
            return Ok(());
        }
        let LabelLimits { count, name_length, value_length } = self.limits;
        let over = |limit: usize, found: usize| limit != 0 && found > limit;
        let fail = |key: &str, limit: usize, found: usize| {
            let name = Reason::excerpt(&named.name);
            Err(Reason::Rule(format!("a sample of `{name}` breaks `{key}`: {found} is over {limit}")))
        };
        // The name counts as one.
        if over(count, named.labels.len() + 1) {
            return fail("label_limit", count, named.labels.len() + 1);
        }
        let name = ("__name__", named.name.as_ref());
        for (name, value) in
            named.labels.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).chain([name])
        {
            if over(name_length, name.len()) {
                return fail("label_name_length_limit", name_length, name.len());
            }
            if over(value_length, value.len()) {
                return fail("label_value_length_limit", value_length, value.len());
            }
        }
        Ok(())
    }

    /// Makes the series of a sample whose `le` or `quantile` has been taken out.
    pub(crate) fn series(&mut self, described: Described<'_>, mut labels: Pairs<'_>) -> Result<Series, Full> {
        let resource = self.take_resource(&mut labels);
        let scope = self.take_scope(&mut labels);
        let metric = self.metric(described);
        let attributes =
            Attributes::of_strings(labels.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
        let resolved = self.registry.resolve(&resource, &scope, &metric, attributes)?;
        self.is_new = resolved.is_new;
        Ok(resolved.series)
    }

    /// Makes a series of the target's own, which relabelling does not touch.
    pub(crate) fn own_series(&mut self, name: &str, family: &Family) -> Result<Series, Full> {
        let Identity { mut labels, external, .. } = Identity::clone(&self.identity);
        let is_known = |(name, _): &(String, String)| !self.own(name).is_empty();
        labels.extend(external.into_iter().filter(|label| !is_known(label)));
        let pairs: Pairs<'_> =
            labels.iter().map(|(name, value)| (Cow::Borrowed(&**name), Cow::Borrowed(&**value))).collect();
        self.series(Described { name, kind: Type::Gauge, family }, pairs)
    }

    fn metric(&mut self, described: Described<'_>) -> Arc<Metric> {
        let Described { name, kind, family } = described;
        if let Some((made_kind, metric)) = &self.metric
            && *made_kind == kind
            && metric.name == name
        {
            return metric.clone();
        }
        let mut metric =
            Metric::new(name, family.unit.clone(), kind_of(kind)).with_description(family.help.clone());
        metric.metadata = Attributes::of_strings([("prometheus.type", kind.word())]);
        let metric = self.registry.metric(metric);
        self.metric = Some((kind, metric.clone()));
        metric
    }

    fn own(&self, name: &str) -> &str {
        let own = self.identity.labels.iter().find(|(own, _)| own == name);
        own.map_or("", |(_, value)| value.as_str())
    }

    fn take_key(&self, labels: &mut Pairs<'_>) -> Key {
        let mut take = |name: &str| {
            let taken = take(labels, name).map(Cow::into_owned);
            taken.unwrap_or_else(|| self.own(name).to_owned())
        };
        (take("job"), take("instance"))
    }

    fn take_resource(&mut self, labels: &mut Pairs<'_>) -> Arc<Resource> {
        if let Some(((job, instance), resource)) = &self.last_resource
            && has(labels, "job", job)
            && has(labels, "instance", instance)
        {
            let resource = resource.clone();
            labels.retain(|(name, _)| name != "job" && name != "instance");
            return resource;
        }
        let key = self.take_key(labels);
        let resource = self.resource(&key);
        self.last_resource = Some((key, resource.clone()));
        resource
    }

    fn resource(&mut self, key: &Key) -> Arc<Resource> {
        if let Some(resource) = self.resources.get(key) {
            return resource.clone();
        }
        let info = self.infos.get(key).into_iter().flatten();
        let info = info.map(|(name, value)| (name.clone(), AnyValue::from(value.as_str())));
        let of_target = [
            ("service.name".to_owned(), AnyValue::from(key.0.as_str())),
            ("service.instance.id".to_owned(), AnyValue::from(key.1.as_str())),
        ];
        let of_target = of_target.into_iter().chain(self.identity.resource.iter().cloned());
        // Of a repeated key the last value stays.
        let attributes = if self.identity.honor_labels {
            Attributes::new(of_target.chain(info))
        } else {
            Attributes::new(info.chain(of_target))
        };
        let resource = self.registry.resource(Resource { attributes, ..Resource::default() });
        self.resources.insert(key.clone(), resource.clone());
        resource
    }

    fn take_scope(&self, labels: &mut Pairs<'_>) -> Arc<Scope> {
        match take_scope(labels) {
            Some(scope) => self.registry.scope(scope),
            None => self.scope.clone(),
        }
    }

    /// Whether `target_info` with these labels is what we know already.
    pub(crate) fn knows_info(&self, named: &Named<'_>) -> bool {
        let (key, info) = self.info(named);
        self.infos.get(&key) == Some(&info)
    }

    fn info(&self, named: &Named<'_>) -> (Key, Vec<(String, String)>) {
        let mut labels = named.labels.clone();
        let key = self.take_key(&mut labels);
        let is_of_target = |name: &str| self.identity.labels.iter().any(|(own, _)| own == name);
        let mut info: Vec<_> = labels
            .iter()
            .filter(|(name, _)| !is_of_target(name))
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        info.sort();
        (key, info)
    }

    /// Forgets what `target_info` said before, and takes what it says now.
    pub(crate) fn learn_infos<'a>(&mut self, infos: impl Iterator<Item = Named<'a>>) {
        let infos = infos.filter(|named| named.name == TARGET_INFO).map(|named| self.info(&named)).collect();
        if self.infos != infos {
            self.infos = infos;
        }
        self.resources.clear();
        self.last_resource = None;
    }
}

/// The kind of a metric of this type.
pub(crate) fn kind_of(kind: Type) -> Kind {
    match kind {
        Type::Counter => Kind::COUNTER,
        Type::Gauge | Type::Unknown | Type::GaugeHistogram => Kind::Gauge,
        Type::Info | Type::StateSet => {
            Kind::Sum { temporality: Temporality::Cumulative, is_monotonic: false }
        }
        Type::Histogram => Kind::Histogram { temporality: Temporality::Cumulative },
        Type::Summary => Kind::Summary,
    }
}

/// Takes the labels out that tell the scope; `None` where there are none.
pub(crate) fn take_scope(labels: &mut Pairs<'_>) -> Option<Scope> {
    if !labels.iter().any(|(name, _)| name.starts_with(SCOPE)) {
        return None;
    }
    let mut scope = Scope::default();
    let mut attributes = Vec::new();
    labels.retain(|(name, value)| {
        let Some(key) = name.strip_prefix(SCOPE) else { return true };
        match key {
            "name" => value.as_ref().clone_into(&mut scope.name),
            "version" => value.as_ref().clone_into(&mut scope.version),
            "schema_url" => value.as_ref().clone_into(&mut scope.schema_url),
            key => attributes.push((key.to_owned(), AnyValue::from(value.as_ref()))),
        }
        false
    });
    scope.attributes = Attributes::new(attributes);
    Some(scope)
}

fn has(labels: &Pairs<'_>, name: &str, value: &str) -> bool {
    labels.iter().any(|(other, found)| other == name && found == value)
}

/// Takes a label out; the others keep their order.
pub(crate) fn take<'a>(labels: &mut Pairs<'a>, name: &str) -> Option<Cow<'a, str>> {
    let place = labels.iter().position(|(other, _)| other == name)?;
    Some(labels.remove(place).1)
}
