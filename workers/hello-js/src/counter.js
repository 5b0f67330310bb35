// Count visits in D1, so that no visit is lost and none is counted twice.

// Safe to run at every visit, by any number of Workers at once.
const CREATE = "CREATE TABLE IF NOT EXISTS counter (page TEXT PRIMARY KEY, hits INTEGER NOT NULL) WITHOUT ROWID";
// One statement reads, adds and writes: two visits at the same time cannot see the same number.
const INCREMENT =
  "INSERT INTO counter (page, hits) VALUES (?, 1) ON CONFLICT (page) DO UPDATE SET hits = hits + 1 RETURNING hits";

/** Count one visit of `page` in the D1 binding `database` and return how many there were. */
export async function increment(database, page) {
  await database.prepare(CREATE).run();
  return database.prepare(INCREMENT).bind(page).first("hits");
}
