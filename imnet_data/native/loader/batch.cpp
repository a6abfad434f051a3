#include "loader/batch.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace imnet {

BatchLoader::BatchLoader(int threads) {
  if (threads < 1) throw std::invalid_argument("threads is below 1");
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back(&BatchLoader::work, this);
  } catch (...) {
    close();
    throw;
  }
}

BatchLoader::~BatchLoader() { close(); }

void BatchLoader::submit(std::shared_ptr<Batch> batch) {
  batch->outcomes.assign(batch->sources.size(), {});
  batch->to_begin = batch->sources.size();
  if (batch->sources.empty()) return;
  {
    const std::lock_guard<std::mutex> guard(lock_);
    if (closed_) throw std::logic_error("the loader is closed");
    waiting_.push_back(std::move(batch));
  }
  asked_.notify_all();
}

bool BatchLoader::wait(const Batch& batch, std::chrono::milliseconds at_most) {
  std::unique_lock<std::mutex> guard(lock_);
  return done_.wait_for(guard, at_most, [&] { return batch.ended == batch.sources.size(); });
}

void BatchLoader::cancel(Batch& batch) {
  std::unique_lock<std::mutex> guard(lock_);
  const auto same = [&](const std::shared_ptr<Batch>& other) { return other.get() == &batch; };
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), same), waiting_.end());
  batch.to_begin = batch.begun;
  done_.wait(guard, [&] { return batch.ended == batch.to_begin; });
}

void BatchLoader::close() {
  {
    const std::lock_guard<std::mutex> guard(lock_);
    waiting_.clear();
    closed_ = true;
  }
  asked_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void BatchLoader::work() {
  RecordWorker worker;
  std::unique_lock<std::mutex> guard(lock_);
  while (true) {
    asked_.wait(guard, [&] { return closed_ || !waiting_.empty(); });
    if (closed_) return;
    const std::shared_ptr<Batch> batch = waiting_.front();
    const size_t index = batch->begun++;
    if (batch->begun == batch->sources.size()) waiting_.pop_front();
    guard.unlock();

    RecordSource source = batch->sources[index];
    ReadBytes read;
    if (batch->ahead != nullptr) read = batch->ahead->take(batch->first + index);
    if (read.data != nullptr) source.data = read.data;
    batch->outcomes[index] =
        worker.make(source, &batch->geometry[index * batch->views.size()], batch->views, index,
                    batch->filter, batch->normalization);
    if (read.data != nullptr) batch->ahead->give_back(read);

    guard.lock();
    if (++batch->ended == batch->to_begin) done_.notify_all();
  }
}

}  // namespace imnet
