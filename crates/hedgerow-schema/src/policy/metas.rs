//! Who may see and change which meta.
//!
//! Always holds: a meta is written by whoever writes what it is a meta of, and `isPublic` opens it to whoever reads that.

use super::{
    Command, Protection, Roles, SIGNED_IN, grant, is_role, names, or_role, owned, policies, policies_of_rows,
};
use crate::{Entity, Identifier, Read, Sql, Write, ddl, meta};

/// What a request writes of a meta, besides what it is a meta of.
const META_COLUMNS: &[&str] = &["metaKey", "metaValue", "dataType", "isPublic", "isSearchable"];
const META_CHANGES: &[&str] = &["metaValue", "dataType", "isPublic", "isSearchable"];

/// How the metadata of an entity's rows is protected: written by whoever writes the row, read by its owner, and what is
/// public by whoever reads the row.
pub fn for_metas(entity: &Entity, roles: &Roles) -> Protection {
    let table = ddl::metas_table(entity);
    let admin_writes = entity.access.write == Write::Admin;
    let read = || {
        let private: Vec<&str> = entity.private_keys().collect();
        let mut public = Sql::new("\"isPublic\"");
        // What is declared wins over what a row says: a key that is not public any more is hidden at once.
        if !private.is_empty() {
            public.push(" AND \"metaKey\" NOT IN (").join(", ", private, |sql, key| {
                sql.literal(key);
            });
            public.push(")");
        }
        let sql = own_or_shown(entity, &table, &public);
        if admin_writes && entity.access.read != Read::Owner { or_role(sql, &[&roles.admin]) } else { sql }
    };
    let writer = if admin_writes { &roles.admin } else { &roles.app };
    let mut grants = vec![
        grant(&roles.app, Command::Select, None),
        grant(writer, Command::Insert, names(&[&["entityId"], META_COLUMNS].concat())),
        grant(writer, Command::Update, names(META_CHANGES)),
        grant(writer, Command::Delete, None),
    ];
    if admin_writes {
        grants.push(grant(&roles.admin, Command::Select, None));
    }
    if entity.access.read == Read::Public {
        grants.push(grant(&roles.anon, Command::Select, None));
    }
    Protection { policies: policies_of_rows(entity, roles, read), table, grants }
}

/// Reading of what hangs on rows: by their owner, and what `public` says by whoever reads the row.
fn own_or_shown(entity: &Entity, table: &Identifier, public: &Sql) -> Sql {
    let mut sql = owned("\"userId\"");
    let everyone = match entity.access.read {
        Read::Owner => return sql,
        Read::SignedIn => SIGNED_IN,
        Read::Public => "true",
    };
    sql.push(" OR (").append(public).push(" AND ");
    if entity.access.published_when.is_some() || entity.soft_delete {
        // Where others see only some rows, these are asked for through their own policies.
        sql.push("EXISTS (SELECT FROM public.").name(&entity.name);
        sql.push(" s WHERE s.id = ").name(table).push(".\"entityId\")");
    } else {
        sql.push(everyone);
    }
    sql.push(")");
    sql
}

/// How the objects of an entity's metadata are protected: as the metas are. The one of what is public has keys that the
/// entity file may have taken back; where it names such keys, others read no object.
pub fn for_objects(entity: &Entity, roles: &Roles) -> Protection {
    let table = ddl::objects_table(entity);
    let read = || {
        if entity.private_keys().next().is_some() {
            return owned("\"userId\"");
        }
        own_or_shown(entity, &table, &Sql::new("\"isPublic\""))
    };
    // A request writes an object by writing metas, under its own name; it goes with its row.
    let mut grants = vec![
        grant(&roles.app, Command::Select, None),
        grant(&roles.app, Command::Insert, names(&["entityId", "isPublic", "object"])),
        grant(&roles.app, Command::Update, names(&["object"])),
    ];
    if entity.access.read == Read::Public {
        grants.push(grant(&roles.anon, Command::Select, None));
    }
    Protection { policies: policies_of_rows(entity, roles, read), table, grants }
}

/// How `user_metas` is protected: everyone writes their own, and what is public is read by everyone who is signed in.
pub fn for_user_metas(roles: &Roles) -> Protection {
    let expression = |command| {
        let mut sql = owned("\"userId\"");
        if command == Command::Select {
            sql.push(" OR (\"isPublic\" AND ").push(SIGNED_IN).push(")");
        }
        sql
    };
    let grants = vec![
        grant(&roles.app, Command::Select, None),
        grant(&roles.app, Command::Insert, names(META_COLUMNS)),
        grant(&roles.app, Command::Update, names(META_CHANGES)),
        grant(&roles.app, Command::Delete, None),
        // An administrator's request for merged metadata of what administrators write runs with that role.
        grant(&roles.admin, Command::Select, None),
    ];
    Protection { table: meta::user_table(), policies: policies(expression), grants }
}

/// How `global_metas` is protected: administrators write it, everyone who is signed in reads it, and what is public
/// everybody.
pub fn for_global_metas(roles: &Roles) -> Protection {
    let expression = |command| match command {
        Command::Select => {
            let mut sql = Sql::new("\"isPublic\" OR ");
            sql.push(SIGNED_IN);
            sql
        }
        // Administrators, and not whatever else runs with their role: that sees what is public alone.
        Command::Insert | Command::Update | Command::Delete => {
            let mut sql = is_role(&roles.admin);
            sql.push(" AND ").push(SIGNED_IN);
            sql
        }
    };
    let grants = vec![
        grant(&roles.app, Command::Select, None),
        grant(&roles.anon, Command::Select, None),
        grant(&roles.admin, Command::Select, None),
        grant(&roles.admin, Command::Insert, names(META_COLUMNS)),
        grant(&roles.admin, Command::Update, names(META_CHANGES)),
        grant(&roles.admin, Command::Delete, None),
    ];
    Protection { table: meta::global_table(), policies: policies(expression), grants }
}
