//! Which columns the indexes of an entity have.

use crate::{Entity, FieldKind, Identifier, Index, Read};

/// The columns of an index that the file asks for: led by the owner, by whom rows are read and within whom they are
/// unique.
pub(crate) fn of_index<'e>(entity: &'e Entity, index: &'e Index) -> Vec<&'e str> {
    let own: Vec<&str> = index.fields.iter().map(Identifier::as_str).collect();
    let needs_owner = (index.unique || entity.access.read == Read::Owner) && !own.contains(&"userId");
    if needs_owner { [&["userId"], own.as_slice()].concat() } else { own }
}

/// The columns of the indexes that an entity has without asking.
pub(crate) fn automatic(entity: &Entity) -> Vec<Vec<&str>> {
    let mut all = vec![vec!["userId", "createdAt", "id"], vec!["createdAt", "id"]];
    for field in entity.columns() {
        let name = field.name.as_str();
        match field.kind {
            FieldKind::Relation(_) | FieldKind::User(_) => {
                all.extend([vec!["userId", name], vec![name, "userId"]]);
            }
            _ if field.indexed => all.extend([vec!["userId", name, "id"], vec![name, "id"]]),
            _ => {}
        }
    }
    all
}
