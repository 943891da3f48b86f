//! x
use crate::world::World;
pub(crate) async fn check(_: &World) -> Vec<String> {
    Vec::new()
}
