#pragma once

namespace malmoi::optim::matrix {

// Adds the matrix optimizers to the registry. Called once by a program that is built with BLAS,
// before any optimizer is made and before threads are started; again, it does nothing.
void Register();

}  // namespace malmoi::optim::matrix
