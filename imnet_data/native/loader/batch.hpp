// Batches made by threads, in the order in which they were asked for.
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

#include "loader/record.hpp"

namespace imnet {

// What is asked for, and what came of it; not to be touched between submit() and its end.
struct Batch {
  std::vector<RecordSource> sources;
  std::vector<RecordGeometry> geometry;  // one for each source
  Filter filter = Filter::bilinear;
  int side = 0;
  uint8_t* out = nullptr;  // sources.size() slots of side x side x 3 bytes
  std::vector<Outcome> outcomes;

 private:
  friend class BatchLoader;
  // records, under the loader's lock; `to_begin` is all of them, or those that a cancel found begun
  size_t begun = 0, ended = 0, to_begin = 0;
};

// Threads take single records from the oldest batch that has any left: a batch is done as early as
// can be, and no thread waits for another.
class BatchLoader {
 public:
  explicit BatchLoader(int threads);
  ~BatchLoader();  // as close()
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  void submit(std::shared_ptr<Batch> batch);

  // Tells whether the batch is done, after waiting for at most so long.
  bool wait(const Batch& batch, std::chrono::milliseconds at_most);

  // Begins no further record of this batch; returns when none of it is being made any more.
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
