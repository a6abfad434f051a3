// Batches made by threads, in the order of the requests.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "loader/read_ahead.hpp"
#include "loader/record.hpp"

namespace imnet {

// A request and its outcome; must not be touched between submit() and its end.
struct Batch {
  std::vector<RecordSource> sources;
  std::vector<RecordGeometry> geometry;  // of each source one per view, one after another
  Filter filter = Filter::bilinear;
  const Normalization* normalization = nullptr;  // null: bytes are made, not numbers
  std::vector<Slots> views;  // at least one, each of sources.size() slots
  std::vector<Outcome> outcomes;
  std::shared_ptr<ReadAheadStream> ahead;  // has the sources from number `first` on; may be null
  size_t first = 0;

 private:
  friend class BatchLoader;
  // records, under the loader's lock; `to_begin` is all of them, or those that a cancel found begun
  size_t begun = 0, ended = 0, to_begin = 0;
};

// Threads take single records from the oldest batch that has any left: a batch is done as early as
// possible, and no thread waits for another.
class BatchLoader {
 public:
  explicit BatchLoader(int threads);
  ~BatchLoader();  // as close()
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  void submit(std::shared_ptr<Batch> batch);

  // Waits for at most this long; returns whether the batch is done.
  bool wait(const Batch& batch, std::chrono::milliseconds at_most);

  // Begins no further record of this batch; returns when none of it is still being made.
  void cancel(Batch& batch);

  // Begins no further record at all, and ends the threads; nothing can be submitted afterwards.
  void close();

 private:
  void work();

  std::mutex lock_;
  std::condition_variable asked_, done_;
  std::deque<std::shared_ptr<Batch>> waiting_;  // batches of which a record has not begun
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace imnet
