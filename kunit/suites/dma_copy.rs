// SPDX-License-Identifier: GPL-2.0

//! Where the data of an endpoint lands before, during and after replace, unmap and flush, on every
//! family.

use crate::{
    copy_engine::{
        CopyEngine,
        Ram,
        PAGE, //
    },
    dma::{
        Clock,
        DmaDomain,
        Rings,
        Settings, //
    },
    fixture::{
        Fixture,
        Setup, //
    },
    iommu::{
        Domain,
        EndpointId,
        Prot, //
    },
    kapi::{
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome,
            Param, //
        },
        new_mutex,
        Mutex, //
    },
    mock::{
        family::FAMILIES,
        shell::Mock, //
    },
    recorder::{
        Call,
        Event,
        Watch, //
    },
};
use kernel::{
    fmt,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

kunit_suite! {
    iommu_mock_dma_copy:
    copy_lands_where_the_domain_says: each Place in PLACES;
    copy_during_replace_lands_in_the_old_or_the_new_page: each Place in PLACES;
    copy_after_detach_lands_nowhere: each Place in PLACES;
    copy_after_unmap_lands_nowhere: each Place in PLACES;
    copy_after_remap_lands_in_the_new_page_only: each Place in PLACES;
    copy_before_a_lazy_flush_lands_in_the_old_page_or_nowhere: each Place in PLACES;
}

/// A group of a family.
struct Place {
    /// By number.
    family: u32,
    members: u32,
}

impl Param for Place {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = FAMILIES.get(self.family as usize);
        let name = family.map_or("?", |family| family.name);
        write!(f, "{name}, {} members", self.members)
    }
}

const fn place(family: u32, members: u32) -> Place {
    Place { family, members }
}

const PLACES: [Place; 10] = [
    place(0, 1),
    place(0, 3),
    place(1, 1),
    place(1, 3),
    place(2, 1),
    place(2, 3),
    place(3, 1),
    place(3, 3),
    place(4, 1),
    place(4, 3),
];

/// The family of VT-d, whose hardware keeps what it used until it is told to forget.
const VTD: u32 = 1;

/// IOVAs in each domain: two pages to read from, two to write to.
const SOURCE: u64 = 0x2000_0000;
const TARGET: u64 = 0x3000_0000;
const LEN: u64 = 2 * PAGE;

/// Where they are in memory: of both domains, of the one, and of the other.
const FROM: u64 = 0x1_0000_0000;
const OLD: u64 = 0x2_0000_0000;
const NEW: u64 = 0x3_0000_0000;

const DATA: u8 = 0x5a;

struct Scene {
    ram: Arc<Ram>,
    old: Arc<Domain>,
    new: Arc<Domain>,
    fixture: Fixture,
}

impl Scene {
    fn new(place: &Place) -> Result<Self> {
        let setup = Setup::ordinary(place.members)?.family(place.family);
        let fixture = setup.probe()?;
        let ram = Arc::pin_init(Ram::new(), GFP_KERNEL)?;
        ram.fill(FROM, LEN, DATA)?;
        let domain = |target| {
            let domain = fixture.domain()?;
            domain.map(SOURCE, FROM, LEN, Prot::READ)?;
            domain.map(TARGET, target, LEN, Prot::RW)?;
            Ok::<_, Error>(domain)
        };
        Ok(Self {
            ram,
            old: domain(OLD)?,
            new: domain(NEW)?,
            fixture,
        })
    }

    fn attach(&self) -> Result {
        Ok(self.fixture.group()?.attach(&self.old)?)
    }

    fn replace(&self) -> Result {
        self.fixture.group()?.replace(&self.new, None)?;
        Ok(())
    }

    fn engine(&self, at: u32) -> CopyEngine<'_> {
        CopyEngine {
            mock: self.fixture.mock(),
            endpoint: EndpointId(at),
            ram: &self.ram,
        }
    }

    /// Lets an endpoint copy all to the target, and says where it landed.
    fn landed(&self, at: u32) -> Result<Landed> {
        landed(&self.engine(at))
    }

    fn check_all(&self, members: u32, expected: Landed) -> Outcome {
        for at in 0..members {
            check_eq!(self.landed(at)?, expected);
        }
        Ok(())
    }
}

/// Where data was found after a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Landed {
    Old,
    New,
    Nowhere,
    /// In parts or in places where it must not be.
    Astray,
}

fn landed(engine: &CopyEngine<'_>) -> Result<Landed> {
    let ram = engine.ram;
    ram.fill(OLD, LEN, 0)?;
    ram.fill(NEW, LEN, 0)?;
    let pages = ram.pages();
    let done = engine.copy(SOURCE, TARGET, LEN)?;
    let all = |value| (ram.is_all(OLD, LEN, value), ram.is_all(NEW, LEN, value));
    let ((old, new), (no_old, no_new)) = (all(DATA), all(0));
    let kept = ram.is_all(FROM, LEN, DATA) && ram.pages() == pages;
    Ok(match (done, kept) {
        (LEN, true) if old && no_new => Landed::Old,
        (LEN, true) if new && no_old => Landed::New,
        (0, true) if no_old && no_new => Landed::Nowhere,
        _ => Landed::Astray,
    })
}

fn copy_lands_where_the_domain_says(place: &Place) -> Outcome {
    let scene = Scene::new(place)?;
    scene.attach()?;
    scene.check_all(place.members, Landed::Old)?;

    // Not aligned, over the border of both pages: nothing but these bytes.
    scene.ram.fill(OLD, LEN, 0)?;
    let (skip, len) = (100, PAGE);
    let done = scene.engine(0).copy(SOURCE + 7, TARGET + skip, len)?;
    check_eq!(done, len);
    check!(scene.ram.is_all(OLD, skip, 0));
    check!(scene.ram.is_all(OLD + skip, len, DATA));
    check!(scene.ram.is_all(OLD + skip + len, LEN - skip - len, 0));

    // It ends where the mapping does.
    let done = scene.engine(0).copy(SOURCE, TARGET + PAGE, LEN)?;
    check_eq!(done, PAGE);
    Ok(())
}

/// Lets all endpoints copy whenever one of them was moved.
#[pin_data]
struct Copies {
    mock: Arc<dyn Mock>,
    ram: Arc<Ram>,
    members: u32,
    /// Endpoint that was moved last, endpoint that copied, where it landed.
    #[pin]
    seen: Mutex<KVec<(u32, u32, Landed)>>,
}

impl Watch for Copies {
    fn after(&self, event: &Event) {
        if !matches!(event.call, Call::Attach { .. }) {
            return;
        }
        for at in 0..self.members {
            let engine = CopyEngine {
                mock: &*self.mock,
                endpoint: EndpointId(at),
                ram: &*self.ram,
            };
            let landed = landed(&engine).unwrap_or(Landed::Astray);
            // Without memory the test sees a copy too few.
            let seen = (event.endpoint.0, at, landed);
            let _ = self.seen.lock().push(seen, GFP_KERNEL);
        }
    }
}

fn copy_during_replace_lands_in_the_old_or_the_new_page(place: &Place) -> Outcome {
    let scene = Scene::new(place)?;
    scene.attach()?;
    scene.check_all(place.members, Landed::Old)?;

    let (mock, ram) = (scene.fixture.hardware().clone(), scene.ram.clone());
    let copies = pin_init!(Copies {
        mock,
        ram,
        members: place.members,
        seen <- new_mutex!(KVec::new(), "Copies::seen"),
    });
    let copies = Arc::pin_init(copies, GFP_KERNEL)?;
    scene.fixture.recorder().watch(Some(copies.clone()));
    scene.replace()?;
    scene.fixture.recorder().watch(None);

    let seen = copies.seen.lock();
    check_eq!(seen.len() as u32, place.members * place.members);
    for (moved, at, landed) in &*seen {
        // One after the other is moved.
        let expected = match at <= moved {
            true => Landed::New,
            false => Landed::Old,
        };
        check!(
            *landed == expected,
            "after {moved} was moved, the data of {at} landed: {landed:?}"
        );
    }
    drop(seen);
    scene.check_all(place.members, Landed::New)
}

fn copy_after_detach_lands_nowhere(place: &Place) -> Outcome {
    let scene = Scene::new(place)?;
    scene.attach()?;
    scene.check_all(place.members, Landed::Old)?;
    scene.fixture.group()?.detach(&scene.old);
    scene.check_all(place.members, Landed::Nowhere)
}

fn copy_after_unmap_lands_nowhere(place: &Place) -> Outcome {
    let scene = Scene::new(place)?;
    scene.attach()?;
    scene.check_all(place.members, Landed::Old)?;
    check_eq!(scene.old.unmap(TARGET, LEN), LEN);
    scene.check_all(place.members, Landed::Nowhere)
}

fn copy_after_remap_lands_in_the_new_page_only(place: &Place) -> Outcome {
    let scene = Scene::new(place)?;
    scene.attach()?;
    scene.check_all(place.members, Landed::Old)?;
    check_eq!(scene.old.unmap(TARGET, LEN), LEN);
    scene.old.map(TARGET, NEW, LEN, Prot::RW)?;
    scene.check_all(place.members, Landed::New)
}

/// A clock that stands still until it is told to go on.
struct Manual(Atomic<u64>);

impl Clock for Manual {
    fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

fn copy_before_a_lazy_flush_lands_in_the_old_page_or_nowhere(place: &Place) -> Outcome {
    let scene = Scene::new(place)?;
    scene.attach()?;
    let clock = Arc::new(Manual(Atomic::new(1)), GFP_KERNEL)?;
    let settings = Settings {
        rings: Rings::One,
        ..Settings::PER_CPU
    };
    let dma = DmaDomain::new(&scene.old, settings, clock.clone())?;
    dma.go_lazy()?;
    let (ram, engine) = (&scene.ram, scene.engine(0));
    let (first, second) = (OLD + LEN, NEW + LEN);
    // What was never written to is no page, and the copies are to find all of them there.
    ram.fill(first, PAGE, 0)?;
    ram.fill(second, PAGE, 0)?;

    let iova = dma.map(&scene.old, first, PAGE, Prot::RW, u64::MAX)?;
    check_eq!(engine.copy(SOURCE, iova, PAGE)?, PAGE);
    check!(ram.is_all(first, PAGE, DATA));

    ram.fill(first, PAGE, 0)?;
    dma.unmap(&scene.old, iova, PAGE);
    let pages = ram.pages();
    let done = engine.copy(SOURCE, iova, PAGE)?;
    check!(done == 0 || ram.is_all(first, PAGE, DATA));
    check!(place.family != VTD || done == PAGE, "nothing was kept");
    // Nobody else gets the address as long as that is so.
    let other = dma.map(&scene.old, second, PAGE, Prot::RW, u64::MAX)?;
    check!(other != iova);
    check!(ram.is_all(second, PAGE, 0));

    clock.0.fetch_add(settings.timeout, Relaxed);
    dma.tick(&scene.old);
    ram.fill(first, PAGE, 0)?;
    check_eq!(engine.copy(SOURCE, iova, PAGE)?, 0);
    check!(ram.is_all(first, PAGE, 0));
    check_eq!(ram.pages(), pages);

    // The address is free now, and leads to what it is mapped to next.
    scene.old.map(iova, second, PAGE, Prot::RW)?;
    check_eq!(engine.copy(SOURCE, iova, PAGE)?, PAGE);
    check!(ram.is_all(second, PAGE, DATA));
    check!(ram.is_all(first, PAGE, 0));
    Ok(())
}
