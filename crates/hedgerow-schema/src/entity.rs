//! An application's entities as values. A [`Schema`] exists only when every rule across its entities holds
//! (`check.rs`), so code that gets one does not check again.

use crate::field::Field;
use crate::meta::{Level, MetaKey, Metadata};
use crate::model::DELETED_COLUMN;
use crate::{Access, Condition, Identifier, SqlType, StoredType, Write};

/// All entities of an application, in order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    entities: Vec<Entity>,
}

/// One entity: a table, a path `/api/v1/<name>` and scopes `<name>:read|write|delete`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Table, path and scope name.
    pub name: Identifier,
    /// What people call one and several.
    pub label: Label,
    /// Who may read and write.
    pub access: Access,
    /// In the order of the file.
    pub fields: Vec<Field>,
    /// Indexes over several columns, in the order of the file.
    pub indexes: Vec<Index>,
    /// Deleting moves a row to its owner's trash.
    pub soft_delete: bool,
    /// Rows have metadata, in a table of its own.
    pub metadata: Option<Metadata>,
    /// What the table was called before.
    pub renamed_from: Option<Identifier>,
}

/// An index that the file asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Fields and standard columns, most significant first.
    pub fields: Vec<Identifier>,
    /// No two rows of one owner have the same values.
    pub unique: bool,
    /// The rows that it covers, where not all.
    pub condition: Option<Condition>,
}

/// What people call one row, and several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// One.
    pub singular: String,
    /// Several.
    pub plural: String,
}

/// The columns that every entity has and that nobody writes by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// `id`, text, UUID version 7 from the API.
    Id,
    /// `userId`, the owner.
    UserId,
    /// `createdAt`.
    CreatedAt,
    /// `updatedAt`, set by a trigger.
    UpdatedAt,
    /// `deletedAt`, of entities with `soft_delete`.
    DeletedAt,
}

impl Standard {
    /// Those of every entity; the first two stand before an entity's own fields, the others behind.
    pub const ALL: [Self; 4] = [Self::Id, Self::UserId, Self::CreatedAt, Self::UpdatedAt];

    /// JSON key and column name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::UserId => "userId",
            Self::CreatedAt => "createdAt",
            Self::UpdatedAt => "updatedAt",
            Self::DeletedAt => DELETED_COLUMN,
        }
    }

    fn sql_type(self) -> SqlType {
        match self {
            Self::Id | Self::UserId => SqlType::Text,
            Self::CreatedAt | Self::UpdatedAt | Self::DeletedAt => SqlType::Timestamptz,
        }
    }
}

/// A column that can be read, filtered and ordered by: a standard one or a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column<'a> {
    /// One that every entity has.
    Standard(Standard),
    /// One of the entity's own.
    Field(&'a Field),
}

impl<'a> Column<'a> {
    /// JSON key and column name.
    pub fn name(self) -> &'a str {
        match self {
            Self::Standard(standard) => standard.name(),
            Self::Field(field) => field.name.as_str(),
        }
    }

    /// How PostgreSQL stores it.
    pub fn sql_type(self) -> SqlType {
        match self {
            Self::Standard(standard) => standard.sql_type(),
            Self::Field(field) => field.kind.sql_type(),
        }
    }

    /// The column's own type, where it is another than the one its values travel as.
    pub(crate) fn stored(self) -> Option<StoredType> {
        match self {
            Self::Standard(_) => None,
            Self::Field(field) => field.sql_type,
        }
    }

    pub(crate) fn identifier(self) -> Identifier {
        match self {
            Self::Standard(standard) => Identifier::joined(&[standard.name()]),
            Self::Field(field) => field.name.clone(),
        }
    }
}

impl Schema {
    pub(crate) fn from_checked(mut entities: Vec<Entity>) -> Self {
        entities.sort_by(|a, b| a.name.cmp(&b.name));
        Self { entities }
    }

    /// In order of their names.
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// The entity of that name.
    pub fn entity(&self, name: &str) -> Option<&Entity> {
        let at = self.entities.binary_search_by(|entity| entity.name.as_str().cmp(name)).ok()?;
        self.entities.get(at)
    }

    /// The declared keys of metadata that are set beyond the rows of one entity, each once: wherever one of that name is declared
    /// so, it is the same.
    pub fn shared_keys(&self) -> Vec<&MetaKey> {
        let all = self.entities.iter().flat_map(Entity::declared_keys);
        let mut shared: Vec<&MetaKey> = Vec::new();
        for key in all.filter(|key| key.level != Level::Entity) {
            if shared.iter().all(|known| known.name() != key.name()) {
                shared.push(key);
            }
        }
        shared
    }
}

impl Entity {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.as_str() == name)
    }

    /// The fields that are columns of the table.
    pub fn columns(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.kind.links().is_none())
    }

    /// The fields that are tables of their own, and where they point.
    pub fn links(&self) -> impl Iterator<Item = (&Field, &crate::Relation)> {
        self.fields.iter().filter_map(|field| field.kind.links().map(|relation| (field, relation)))
    }

    /// Whether what all metadata of a row says is kept as one object, too, for whoever reads whole rows. Where every
    /// administrator writes every row, the metas of one row have several owners, and no object is right for all.
    pub(crate) fn keeps_objects(&self) -> bool {
        self.metadata.is_some() && self.access.write != Write::Admin
    }

    /// The keys of metadata that the file declares.
    pub fn declared_keys(&self) -> impl Iterator<Item = &MetaKey> {
        self.metadata.iter().flat_map(|metadata| &metadata.keys)
    }

    /// The declared keys of metadata that only the owner of a row reads, whatever the row says.
    pub(crate) fn private_keys(&self) -> impl Iterator<Item = &str> {
        self.declared_keys().filter(|key| !key.public).map(MetaKey::name)
    }

    /// The columns that the server alone writes.
    pub fn standard(&self) -> impl Iterator<Item = Standard> {
        Standard::ALL.into_iter().chain(self.soft_delete.then_some(Standard::DeletedAt))
    }

    /// The columns a caller may read, in the order in which rows show them.
    pub fn readable(&self) -> impl Iterator<Item = Column<'_>> {
        let own = self.fields.iter().filter(|field| !field.hidden).map(Column::Field);
        let [id, user_id, created_at, updated_at] = Standard::ALL.map(Column::Standard);
        // What nobody changes does not say when it was changed.
        let updated_at = (self.name.as_str() != crate::ddl::audit::TABLE).then_some(updated_at);
        let deleted_at = self.soft_delete.then_some(Column::Standard(Standard::DeletedAt));
        [id, user_id].into_iter().chain(own).chain([created_at]).chain(updated_at).chain(deleted_at)
    }

    /// The readable column of that name.
    pub fn column(&self, name: &str) -> Option<Column<'_>> {
        self.readable().find(|column| column.name() == name)
    }

    /// The columns that point at other rows.
    pub fn relations(&self) -> impl Iterator<Item = (&Field, &crate::Relation)> {
        self.fields.iter().filter_map(|field| field.kind.relation().map(|relation| (field, relation)))
    }
}

/// One entity file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityFile {
    /// The file's name as the user knows it, such as `entities/tasks.toml`.
    pub name: String,
    /// Its content.
    pub text: String,
}
