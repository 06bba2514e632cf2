/*
 * Truth: C++ shapes, 25 % of the CPU time each: app::Circle::area() reached by a virtual call from
 * app::measure(app::Shape const&), app::fold<double> (a template; app::fold<int> runs inside it for half of
 * its time), a std::function that calls app::Handler::operator()(unsigned long) const, and
 * app::risky(unsigned long), which burns its time five frames below the handler and then throws through them.
 * The truth file has the seconds with each of them on the stack; a name is the demangled one up to the
 * parenthesis.
 */
#include "target.h"

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace app
{

struct Shape {
    virtual ~Shape() = default;
    virtual uint64_t area(uint64_t ns) const = 0;
};

struct Circle final : Shape {
    TARGET_FUNCTION uint64_t area(uint64_t ns) const override
    {
        return spin(ns) + 1;
    }
};

struct Square final : Shape {
    TARGET_FUNCTION uint64_t area(uint64_t ns) const override
    {
        return spin(ns) + 2;
    }
};

TARGET_FUNCTION static uint64_t measure(const Shape &shape, uint64_t ns)
{
    return shape.area(ns) + 3;
}

template <typename T> TARGET_FUNCTION uint64_t fold(T ns);

template <> TARGET_FUNCTION uint64_t fold<int>(int ns)
{
    return spin(uint64_t(ns)) + 4;
}

template <typename T> TARGET_FUNCTION uint64_t fold(T ns)
{
    return spin(uint64_t(ns / 2)) + fold<int>(int(ns / 2)) + 5;
}

struct Handler {
    TARGET_FUNCTION uint64_t operator()(uint64_t ns) const
    {
        return spin(ns) + 6;
    }
};

TARGET_FUNCTION static uint64_t risky(uint64_t ns)
{
    spin(ns);
    throw std::runtime_error("expected");
}

TARGET_FUNCTION static uint64_t nested(int depth, uint64_t ns)
{
    std::string held(40, 'x'); /* has a destructor, so every frame has a landing pad */
    return (depth ? nested(depth - 1, ns) : risky(ns)) + held.size();
}

} // namespace app

static const std::unique_ptr<app::Shape> shapes[] = {std::make_unique<app::Circle>(),
                                                     std::make_unique<app::Square>()};
static const std::function<uint64_t(uint64_t)> handler = app::Handler{};

static uint64_t by_virtual(uint64_t ns)
{
    return app::measure(*shapes[0], ns);
}

static uint64_t by_template(uint64_t ns)
{
    return app::fold<double>(double(ns));
}

static uint64_t by_function(uint64_t ns)
{
    return handler(ns) + 1;
}

static uint64_t by_exception(uint64_t ns)
{
    try {
        return app::nested(4, ns);
    } catch (const std::exception &e) {
        return uint64_t(e.what()[0]);
    }
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    struct share list[] = {
        {by_virtual, truth_function("app::Circle::area"), 1},
        {by_template, truth_function("app::fold<double>"), 1},
        {by_function, truth_function("app::Handler::operator()"), 1},
        {by_exception, truth_function("app::risky"), 1},
    };
    target_ready();
    while (target_poll())
        share_step(list, 4);
    target_end(0);
}
