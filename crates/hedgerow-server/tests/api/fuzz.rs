//! Whatever is sent in whichever place of whichever request: an answer, soon, and never the server's fault; nothing of others is
//! in it, nothing of others is changed.
//!
//! `cargo test -p hedgerow-server --test api fuzz` sends a part of all requests that the lists below make, always the same;
//! `HEDGEROW_SEED=n` chooses another part, `HEDGEROW_FUZZ=20000` a larger one, `HEDGEROW_FUZZ=all` sends everything.

mod hostile;
mod judge;
mod logs;
mod places;
mod recipes;
mod wire;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use judge::Verdict;
use places::{Place, Takes};
use recipes::{As, Recipe};
use wire::{Answer, Client, Request};
use world::{Person, World};

/// So many requests are sent where nothing else is wanted.
const REQUESTS: usize = 4000;
/// So many clients ask at a time, each as somebody else.
const CLIENTS: usize = 4;
/// No answer takes longer.
const SOON: Duration = Duration::from_secs(2);
/// Rows are put back after so many changes.
const CHANGES: usize = 20;

/// The same numbers for the same seed, on every machine (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((number ^ (number >> 31)) % sides as u64).expect("few sides")
    }
}

/// What is sent where.
struct Inputs {
    texts: Vec<Vec<u8>>,
    values: Vec<Vec<u8>>,
}

impl Inputs {
    fn of(&self, recipe: &Recipe, place: &Place) -> Vec<Vec<u8>> {
        match place.takes() {
            Takes::Text => self.texts.clone(),
            Takes::Value => self.values.clone(),
            Takes::Body => hostile::bodies(recipe.body.unwrap_or_default().as_bytes()),
        }
    }

    fn count(&self, recipe: &Recipe, place: &Place) -> usize {
        match place.takes() {
            Takes::Text => self.texts.len(),
            Takes::Value => self.values.len(),
            Takes::Body => hostile::bodies(recipe.body.unwrap_or_default().as_bytes()).len(),
        }
    }
}

/// What came of it.
#[derive(Default)]
struct Report {
    sent: usize,
    by_status: BTreeMap<u16, usize>,
    no_http: usize,
    stopped: Vec<String>,
    wrong: Vec<String>,
    /// Recipes that are not answered as they should be when nothing hostile is in them.
    out_of_control: Vec<String>,
    slow: Vec<(Duration, String, Request)>,
}

impl Report {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        for (status, count) in other.by_status {
            *self.by_status.entry(status).or_default() += count;
        }
        self.no_http += other.no_http;
        self.stopped.extend(other.stopped);
        self.wrong.extend(other.wrong);
        self.out_of_control.extend(other.out_of_control);
        self.slow.extend(other.slow);
    }
}

/// One client with the rows of one person.
struct Attack<'w> {
    world: &'w World,
    me: &'w Person,
    client: Client,
    report: Report,
    changes: usize,
    /// The administrator's rows are for the first client alone.
    is_first: bool,
}

impl<'w> Attack<'w> {
    fn new(world: &'w World, number: usize) -> Self {
        let client = Client::to(world.app.address());
        Self {
            world,
            me: &world.attackers[number],
            client,
            report: Report::default(),
            changes: 0,
            is_first: number == 0,
        }
    }

    /// Puts everybody's rows back that this client changes.
    async fn restore(&self) {
        self.world.restore(self.me).await;
        if self.is_first {
            self.world.restore(&self.world.admin).await;
        }
    }

    async fn ask(&mut self, recipe: &Recipe, place: Option<&Place>, input: &[u8]) -> Option<Answer> {
        let who = if recipe.who == As::Admin { &self.world.admin } else { self.me };
        let request = places::request(recipe, who, place.map(|place| (place, input)));
        let answer = self.client.ask(&request).await;
        let shown = || {
            let input: String = String::from_utf8_lossy(input).chars().take(200).collect();
            format!("{} {} {:?} {place:?} {input:?}", recipe.method, recipe.template, recipe.who)
        };
        self.report.sent += 1;
        match judge::judge(&request, answer.as_ref(), &who.forbidden) {
            Ok(Verdict::Fine) => {}
            Ok(Verdict::NoHttp) => self.report.no_http += 1,
            Ok(Verdict::Stopped) => self.report.stopped.push(shown()),
            Err(why) => {
                let target: String = String::from_utf8_lossy(&request.target).chars().take(400).collect();
                let (status, body) =
                    answer.as_ref().map_or((0, ""), |answer| (answer.status, answer.body.as_str()));
                let body: String = body.chars().take(600).collect();
                self.report.wrong.push(format!("{why}\n  {}\n  {target}\n  {status} {body}", shown()));
            }
        }
        let answer = answer?;
        *self.report.by_status.entry(answer.status).or_default() += 1;
        self.report.slow.push((answer.took, shown(), request));
        self.report.slow.sort_by_key(|(took, ..)| std::cmp::Reverse(*took));
        self.report.slow.truncate(5);
        if recipe.method != "GET" && recipe.method != "HEAD" && answer.status < 300 {
            self.changes += 1;
            if self.changes.is_multiple_of(CHANGES) {
                self.restore().await;
            }
        }
        Some(answer)
    }
}

/// Every route has a recipe, and every recipe a route: paths are read from the source, methods are asked for.
async fn insist_on_all_routes(world: &World, recipes: &[Recipe]) {
    let mut client = Client::to(world.app.address());
    let mut routes = BTreeSet::new();
    for template in recipes::templates() {
        let path = template.replace("{entity}", "things").replace("{id}", "nothing").replace("{key}", "a");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"] {
            let request = Request { method, target: path.clone().into_bytes(), ..Request::default() };
            if client.ask(&request).await.expect("an answer").status != 405 {
                routes.insert((method, template.clone()));
            }
        }
    }
    let of_recipes = recipes.iter().map(|recipe| (recipe.method, recipe.template.to_owned())).collect();
    let differ: Vec<_> = routes.symmetric_difference(&of_recipes).collect();
    assert!(
        differ.is_empty(),
        "these have a route and no recipe in recipes.rs, or a recipe and no route: {differ:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_sent_anywhere_is_too_strange_for_an_answer() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let seed = number("HEDGEROW_SEED").unwrap_or(1);
    let wanted = std::env::var("HEDGEROW_FUZZ").unwrap_or_default();
    let budget = if wanted == "all" { usize::MAX } else { number("HEDGEROW_FUZZ").unwrap_or(REQUESTS) };

    let world = World::new(CLIENTS).await;
    logs::watch(world.secrets());
    let recipes = recipes::all();
    insist_on_all_routes(&world, &recipes).await;
    let (before, view) = (world.untouchable().await, world.bobs_view().await);
    let foreign = world.foreign_ids();
    let inputs = Inputs { texts: hostile::texts(&foreign), values: hostile::values(&foreign) };

    let places: Vec<(&Recipe, Place)> = recipes
        .iter()
        .flat_map(|recipe| Place::all(recipe).into_iter().map(move |place| (recipe, place)))
        .collect();
    let product: usize = places.iter().map(|(recipe, place)| inputs.count(recipe, place)).sum();
    eprintln!("seed {seed}: {} recipes, {} places, {product} requests in all", recipes.len(), places.len());
    let share = budget as f64 / product as f64;

    let attack = async |client: usize| {
        let mut attack = Attack::new(&world, client);
        let mut dice = Dice((seed * CLIENTS + client) as u64);
        for (at, recipe) in recipes.iter().enumerate() {
            if if recipe.who == As::Admin { client == 0 } else { at % CLIENTS == client } {
                let before = attack.changes;
                let answer = attack.ask(recipe, None, b"").await.unwrap_or_default();
                let is_good = (200..300).contains(&answer.status);
                if !recipe.refused.map_or(is_good, |expected| answer.status == expected) {
                    let asked = format!("{} {} {:?}", recipe.method, recipe.path, recipe.who);
                    let body: String = answer.body.chars().take(300).collect();
                    attack.report.out_of_control.push(format!("{asked} {} {body}", answer.status));
                }
                if attack.changes != before {
                    attack.restore().await;
                }
            }
        }
        for (at, (recipe, place)) in places.iter().enumerate() {
            // Rows of one administrator are for one client.
            let of = if recipe.who == As::Admin { 0 } else { at % CLIENTS };
            if of != client {
                continue;
            }
            let inputs = inputs.of(recipe, place);
            let exact = inputs.len() as f64 * share;
            // The part that is no whole request is one by chance.
            let chance = usize::from(dice.roll(1000) < ((exact.fract()) * 1000.0) as usize);
            let count = (exact as usize + chance).min(inputs.len());
            let start = dice.roll(inputs.len());
            for number in 0..count {
                let input = &inputs[(start + number * inputs.len() / count.max(1)) % inputs.len()];
                attack.ask(recipe, Some(place), input).await;
            }
        }
        attack.restore().await;
        attack.report
    };
    let mut report = Report::default();
    let (one, two, three, four) = tokio::join!(attack(0), attack(1), attack(2), attack(3));
    for part in [one, two, three, four] {
        report.add(part);
    }
    report.slow.sort_by_key(|(took, ..)| std::cmp::Reverse(*took));

    eprintln!(
        "{} requests; by status {:?}; {} were no HTTP; {} were stopped by the time limit of statements",
        report.sent,
        report.by_status,
        report.no_http,
        report.stopped.len()
    );
    for (took, shown, _) in report.slow.iter().take(5) {
        eprintln!("slow: {took:?} {shown}");
    }
    for shown in report.stopped.iter().take(20) {
        eprintln!("stopped: {shown}");
    }
    let otherwise = &report.out_of_control;
    assert!(otherwise.is_empty(), "answered otherwise where nothing is hostile: {otherwise:#?}");
    let kinds: BTreeSet<&str> = report.wrong.iter().filter_map(|text| text.lines().next()).collect();
    assert!(
        report.wrong.is_empty(),
        "{} answers are wrong ({kinds:?}):\n{}\nthe log says {:#?}",
        report.wrong.len(),
        report.wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n"),
        logs::errors()
    );
    // What was slow on a busy machine is asked again, alone.
    let mut client = Client::to(world.app.address());
    for (_, shown, request) in report.slow.iter().filter(|(took, ..)| *took >= SOON) {
        let again = client.ask(request).await.expect("an answer").took;
        assert!(again < SOON, "took {again:?}: {shown}");
    }
    let (events, found) = logs::seen();
    assert!(events >= report.sent / 2, "the log was not read: {events} events");
    assert!(found.is_empty(), "this does not belong into a log: {found:#?}");
    let after = world.untouchable().await;
    let changed: Vec<&String> = before.symmetric_difference(&after).collect();
    assert!(changed.is_empty(), "what nobody may change has changed: {changed:#?}");
    assert_eq!(world.bobs_view().await, view, "bob sees something else now");
    assert_eq!(world.app.get(hedgerow_testing::Who::Anyone, "/readyz").await.status, 200);
    world.app.close().await;
}
