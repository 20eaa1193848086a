//! The source of a request for a reading, on the wire: a mirror of the connection of the delivery or event.

use crate::{
    DecodeError,
    error::{At as _, required},
    pb,
};
use model::{AskedBy, ExternalId, FieldKey, LevelKey, LocationId, MirrorKey, Origin, Waiting};

impl From<&AskedBy> for pb::AskedBy {
    fn from(asked_by: &AskedBy) -> Self {
        let mirror = match &asked_by.mirror {
            MirrorKey::Level(key) => pb::asked_by::Mirror::Level(pb::AskedLevel {
                item: key.item.to_string(),
                location: key.location.to_string(),
            }),
            MirrorKey::Price(key) => pb::asked_by::Mirror::Price(key.external.to_string()),
            MirrorKey::Text(key) => pb::asked_by::Mirror::Text(key.external.to_string()),
        };
        Self { mirror: Some(mirror), waiting: asked_by.waiting.0 }
    }
}

/// Reads the mirror that asked for a reading; it belongs to the connection of `origin`.
pub(crate) fn read(asked_by: pb::AskedBy, origin: &Origin) -> Result<AskedBy, DecodeError> {
    let connection = origin.connection.clone();
    let field = |external: &str| -> Result<FieldKey, DecodeError> {
        let external = ExternalId::new(external).at("asked_by.external")?;
        Ok(FieldKey { connection: connection.clone(), external })
    };
    let mirror = match required(asked_by.mirror, "asked_by.mirror")? {
        pb::asked_by::Mirror::Level(key) => MirrorKey::Level(LevelKey {
            connection: connection.clone(),
            item: ExternalId::new(&key.item).at("asked_by.item")?,
            location: LocationId::new(&key.location).at("asked_by.location")?,
        }),
        pb::asked_by::Mirror::Price(variant) => MirrorKey::Price(field(&variant)?),
        pb::asked_by::Mirror::Text(product) => MirrorKey::Text(field(&product)?),
    };
    Ok(AskedBy { mirror, waiting: Waiting(asked_by.waiting) })
}
