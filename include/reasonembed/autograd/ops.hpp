#pragma once
/// @file Every operation of the tape.
#include <reasonembed/autograd/elementwise.hpp>
#include <reasonembed/autograd/matrix_product.hpp>
#include <reasonembed/autograd/reductions.hpp>
#include <reasonembed/autograd/rows.hpp>
#include <reasonembed/autograd/softmax.hpp>
#include <reasonembed/autograd/tape.hpp>
